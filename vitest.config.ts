import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

/**
 * Tests (of `test/`) that start nothing: no process, server, connection or thread. They need no build and no program, and
 * `test/support/in-process.ts` refuses what would start one. All that is in no list is `integration`: start there, and
 * come here with a file that is quick (a second or two) and starts nothing.
 */
const UNIT = [
  "!(bounded-yaml|redact-fuzz).test.ts",
  "cli/{npy,progress,library-output}.test.ts",
  "config/!(load|mutations).test.ts",
  "docs/links.test.ts",
  "explain/engines/schedule-means.test.ts",
  "explain/model/!(labels|load).test.ts",
  "explain/network/randomised.test.ts",
  "explain/onnx/{finite,refusals}.test.ts",
  "explain/programs/regions.test.ts",
  "explain/proto/*.test.ts",
  "explain/tfjs/{outputs,weights}.test.ts",
  "evaluate/{applicable,images,map-names,methods,metrics}.test.ts",
  "explain/twin/{files,operators,twin}.test.ts",
  "ffmpeg/{gate,stream-encoder}.test.ts",
  "http/*.test.ts",
  "messages/*.test.ts",
  "metrics/metrics.test.ts",
  "models/labels.test.ts",
  "overlay/{canvas,heat-table}.test.ts",
  "pipeline/{assembler,clock,ledger}.test.ts",
  "scripts/{cuda-wheels,results}.test.ts",
  "sinks/{files,registry,stream-clock}.test.ts",
  "sinks/nats/{buffer,servers}.test.ts",
  "station/!(added-sources|budget|control|run).test.ts",
];

const FAULTS = ["faults/*.test.ts"];

/** Tests that compute for long and wait for nothing: `npm test` runs them beside the others, with the time that those leave. */
const NUMERIC = [
  "explain/{golden,inspection,random-networks}.test.ts",
  "explain/backward/{classical,gradient,relevance}.test.ts",
  "explain/engines/{blocked-layout,operations}.test.ts",
  "explain/onnx/batch-places.test.ts",
  "explain/programs/maps.test.ts",
  "explain/tfjs/{golden,layers,ops}.test.ts",
  "explain/twin/{classical,golden}.test.ts",
];

const files = (globs: readonly string[]): string[] => globs.map((glob) => `test/${glob}`);

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    setupFiles: ["test/support/quick-equality.ts", "test/support/seeded-properties.ts"],
    // Compiled models of tests stay within the checkout.
    // Some tests load onnxruntime themselves, which reports to its maker unless told not to.
    env: {
      XDG_CACHE_HOME: fileURLToPath(new URL("node_modules/.cache/tests", import.meta.url)),
      ORT_DISABLE_TELEMETRY: "1",
    },
    // One group after the other. Tests of faults measure rates: they have the machine to themselves.
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: files(UNIT),
          setupFiles: ["test/support/in-process.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: files(["**/*.test.ts"]),
          exclude: [...configDefaults.exclude, ...files(UNIT), ...files(NUMERIC), ...files(FAULTS)],
          globalSetup: ["test/support/current-build.ts"],
          // One more than the two cores of the machines that check each change: many of these wait for a camera or a server.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "numeric",
          include: files(NUMERIC),
          globalSetup: ["test/support/current-build.ts"],
          // With the time that the others leave: on a busy machine that is a twentieth. A test has no limit of its own.
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: files(FAULTS),
          globalSetup: ["test/support/current-build.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
