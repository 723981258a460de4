import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react-swc";
import { defineConfig } from "vitest/config";

/** Against a real `albatross up`; one file at a time, for the sake of small machines. */
const IN_CHROMIUM = { fileParallelism: false, testTimeout: 480_000, hookTimeout: 240_000 };

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
      { test: { ...IN_CHROMIUM, name: "browser", include: ["browser/**/*.test.ts"] } },
      { test: { ...IN_CHROMIUM, name: "picture", include: ["browser/picture.ts"] } },
    ],
  },
});
