import type { Operation } from "../../program/program.js";
import { Additions, operation } from "../operation.js";
import type { Constant, Graph } from "../serialise.js";

/** Channels are read four at a time where their number allows it. */
const LANES = 4;

/**
 * A graph whose convolutions of 6, 9, 15, 18, … channels (of multiples of three but not of four) read channels of zeros
 * up to the next multiple of four: onnxruntime's WebGPU provider reads such channels in threes, and gets every sum but the first
 * three channels' wrong (1.30; convolutions of one group that give a multiple of four).
 */
export function widenThirds(graph: Graph): Graph {
  const constants = new Map(graph.constants.map((c) => [c.name, c]));
  const made = new Additions();
  const operations = graph.operations.flatMap((o): Operation[] => {
    const filter = constants.get(o.inputs[1] ?? "");
    if (o.op !== "Conv" || filter === undefined || !isMisread(o, filter)) return [o];
    const more = LANES - (filter.dims[1]! % LANES);
    const [x, , ...bias] = o.inputs as [string, string, ...string[]];
    const pads = made.ints(`channels_${more}`, [0, 0, 0, 0, 0, more, 0, 0]);
    const zero = made.floats("channels_of_zero", [], [0]);
    const wide = `${o.outputs[0]}_wide`;
    return [
      operation("Pad", [x, pads, zero], wide, { mode: { text: "constant" } }),
      { ...o, inputs: [wide, made.add(widened(filter, more)), ...bias] },
    ];
  });
  return made.in(graph, operations);
}

const isMisread = ({ attributes: { group } }: Operation, { dims }: Constant): boolean =>
  dims.length === 4 &&
  (group === undefined || ("int" in group && group.int === 1)) &&
  dims[1]! % 3 === 0 &&
  dims[1]! % LANES !== 0 &&
  dims[1]! > 3 &&
  dims[0]! % LANES === 0;

/** A filter `[out, in, height, width]` with `more` channels of zeros behind those that it reads. */
function widened(filter: Constant, more: number): Constant {
  const [out, channels, height, width] = filter.dims as [number, number, number, number];
  const make = (): Float32Array => {
    const data = ("make" in filter ? filter.make() : filter.data) as Float32Array;
    const [from, to] = [channels * height * width, (channels + more) * height * width];
    const wide = new Float32Array(out * to);
    for (let o = 0; o < out; o++) wide.set(data.subarray(o * from, (o + 1) * from), o * to);
    return wide;
  };
  return { name: `${filter.name}_wide`, kind: "float32", dims: [out, channels + more, height, width], make };
}
