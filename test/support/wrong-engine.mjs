// An engine as it must not be: onnxruntime on the processor, spoilt in the way that WRONG names.
import { onnxruntimePreparing } from "../../dist/explain/engines/onnxruntime.js";

const SPOILS = {
  values: (results) => {
    for (const [name, { data }] of Object.entries(results)) if (name === "relevance") data.reverse();
  },
  scale: (results) => {
    for (const [name, { data }] of Object.entries(results))
      if (name === "relevance") data.set(data.map((v) => 1.1 * v));
  },
  noNumbers: (results) => results.relevance.data.fill(Number.NaN),
  wrongClass: (results) => results.target.data.fill(results.target.data[0] === 0n ? 1n : 0n),
  frames: ({ relevance: { data } }) => data.copyWithin(data.length / 2, 0),
  dies: () => process.kill(process.pid, "SIGSEGV"),
  stops: () => process.exit(7),
  hangs: () => {
    for (;;);
  },
  throws: () => {
    throw new Error("the device was lost");
  },
  short: () => {
    throw new Error("CUDA failure 2: out of memory ; GPU=0");
  },
  right: () => {},
};

const spoilt = (how) => ({
  ...onnxruntimePreparing,
  async open(folder, prepared, options) {
    const runner = await onnxruntimePreparing.open(folder, prepared, { ...options, device: "cpu" });
    return {
      ...runner,
      async run(feeds) {
        const results = await runner.run(feeds);
        SPOILS[how](results);
        return results;
      },
    };
  },
});

/** @type {Record<string, Pick<import("../../src/explain/engines/engine.js").PreparingEngine, "open">>} */
const engines = Object.fromEntries(Object.keys(SPOILS).map((how) => [how, spoilt(how)]));
export const { values, scale, noNumbers, wrongClass, frames, dies, stops, hangs, throws, short, right } = engines;
