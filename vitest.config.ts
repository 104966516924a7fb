import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: test files start real servers, ffmpeg and engines.
    maxWorkers: 2,
    // Compiled models of tests stay within the checkout.
    // Some tests load onnxruntime themselves, which reports to its maker unless told not to.
    env: {
      XDG_CACHE_HOME: fileURLToPath(new URL("node_modules/.cache/tests", import.meta.url)),
      ORT_DISABLE_TELEMETRY: "1",
    },
  },
});
