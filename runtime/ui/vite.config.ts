import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react-swc";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // The page runs under a policy without inline content, so nothing is inlined.
  build: { assetsInlineLimit: 0, target: "es2023" },
  server: { proxy: { "/api": { target: "http://skyways.localhost:8080", changeOrigin: true } } },
  test: { environment: "happy-dom" },
});
