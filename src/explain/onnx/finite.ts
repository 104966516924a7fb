import type { Layer, Weights } from "../network/network.js";
import { ElementType } from "../proto/onnx.js";
import type { Importer, Node } from "./importer.js";
import { type Constant, typeOf } from "./tensor.js";

/** Whether all numbers are finite. Infinity and NaN times 0 are NaN, and so is every sum with them. */
export function allFinite(data: Float32Array | Float64Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = data.length - (data.length % 4);
  for (let k = 0; k < whole; k += 4) {
    a += data[k]! * 0;
    b += data[k + 1]! * 0;
    c += data[k + 2]! * 0;
    d += data[k + 3]! * 0;
  }
  for (let k = whole; k < data.length; k++) a += data[k]! * 0;
  return a + b + c + d === 0;
}

/** The first number that is none, and its place. */
export function firstNotFinite(data: ArrayLike<number>): { value: number; at: number } {
  let at = 0;
  while (Number.isFinite(data[at])) at++;
  return { value: data[at]!, at };
}

const weightsOf = (layer: Layer): (Weights | Float32Array)[] => {
  switch (layer.kind) {
    case "conv":
    case "dense":
      return [layer.weight, ...(layer.bias ? [layer.bias] : [])];
    case "scale":
    case "norm":
      return [layer.factor, layer.shift].filter((w) => w !== undefined);
    case "activation":
      return layer.steps.flatMap(({ op, operands }) =>
        op === "Max" || op === "Min" ? [] : operands.filter((o) => typeof o !== "number"),
      );
    case "select":
      return layer.other ? [layer.other] : [];
    default:
      return [];
  }
};

/**
 * Looks at what a node brings into the network from its layer `from` on.
 * @throws ModelError naming the weight that is not finite, as one that overflowed in a conversion to float16
 */
export function refuseWeights(importer: Importer, node: Node, from: number): void {
  for (const layer of importer.layers.slice(from))
    for (const weights of weightsOf(layer)) {
      const data = weights instanceof Float32Array ? weights : weights.data;
      if (allFinite(data)) continue;
      const cause = causeOf(importer, node.inputs);
      const { value, at } = firstNotFinite(cause?.constant.data ?? data);
      const what = cause ? `its weight "${cause.name}" holds` : "its weights come out as";
      const half = cause && typeOf(cause.constant) === ElementType.float16 ? ", as float16, which ends at 65504" : "";
      importer.refuse(node, `${what} ${value} at position ${at}${half}, and no score would be a number`);
    }
}

/** The constant behind some names where numbers first stop being finite. */
function causeOf(importer: Importer, names: readonly string[]): { name: string; constant: Constant } | undefined {
  let open = names;
  let found: { name: string; constant: Constant } | undefined;
  // A damaged file may say that a constant is made from itself.
  const seen = new Set<string>();
  for (;;) {
    const name = open.find((n) => {
      const data = seen.has(n) ? undefined : importer.constants.get(n)?.data;
      return data !== undefined && !allFinite(data);
    });
    if (name === undefined) return found;
    seen.add(name);
    found = { name, constant: importer.constants.get(name)! };
    open = importer.madeFrom.get(name) ?? [];
  }
}
