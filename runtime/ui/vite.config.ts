import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react-swc";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // The page runs under a policy without inline content, so nothing is inlined.
  build: { assetsInlineLimit: 0, target: "es2023" },
  server: { proxy: { "/api": { target: "http://skyways.localhost:8080", changeOrigin: true } } },
  test: {
    projects: [
      {
        extends: true,
        test: { name: "unit", environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
      },
      {
        // Against a real `albatross up` in Chromium; one at a time, for the sake of small machines.
        test: {
          name: "browser",
          include: ["browser/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
