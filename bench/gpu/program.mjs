// What the scripts of bench/gpu.mjs run: forward, or forward and a map, of an ONNX file or of a shipped model.
import { readFileSync } from "node:fs";

const { importOnnx } = await import("../../dist/explain/onnx/import.js");
const { canonicalise } = await import("../../dist/explain/network/canonicalise.js");
const { loadModel } = await import("../../dist/explain/model/load.js");
const { tensorProgram } = await import("../../dist/explain/programs/tensor.js");
const { Emitter } = await import("../../dist/explain/program/emitter.js");
const { emitScores } = await import("../../dist/explain/programs/explanation.js");

/** @param {string} at an ONNX file, or the folder of a model with its card */
export const networkOf = (at) =>
  at.endsWith(".onnx") ? canonicalise(importOnnx(readFileSync(at))) : loadModel(at).network;

/** @param {string} what forward, or the name of a method */
export function programOf(network, what, range = { low: [-2.1], high: [2.6] }) {
  const dims = network.shapes.get(network.input) ?? [];
  const channelAxis = dims[1] === 3 || dims[1] === range.low.length ? 1 : dims.length - 1;
  if (what !== "forward") {
    /** @type {any} */
    const method = { method: what, inputRule: "bounded", start: "one-hot", target: "top" };
    return tensorProgram(network, method, { ...range, channelAxis });
  }
  const e = new Emitter();
  const { scores } = emitScores(e, network, e.input("input", "float32", dims), "top");
  e.output(scores.logits, "logits", "float32", network.shapes.get(network.output) ?? []);
  return e.finish(true);
}

/** The same noise each time, of an even spread. */
export function noise(length) {
  let state = 12345;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 4 * (state / 2 ** 32) - 2;
  });
}
