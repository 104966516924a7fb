import type { Window } from "../../network/network.js";
import type { Importer, Node } from "../importer.js";

const same = (input: number, kernel: number, stride: number, dilation: number): number =>
  Math.max(0, (Math.ceil(input / stride) - 1) * stride + (kernel - 1) * dilation + 1 - input);

/** A list of a node that slides over one axis, as if it slid over a height of 1 too. */
const overLine = (values: readonly number[], other: number): number[] =>
  values.length === 2 ? [other, values[0]!, other, values[1]!] : [other, ...values];

/** Refuses windows over other than height and width. */
export function requirePlanes(importer: Importer, node: Node, input: readonly number[], kernel: readonly number[]) {
  if (input.length === 4 && kernel.length === 2) return;
  const axes = input.length - 2;
  importer.refuse(node, `it slides over ${axes} axes, and only two-dimensional windows over [N, C, H, W] are known`);
}

/** A list of a node; where it has none, of the least that its numbers may be. */
export function listOf(
  importer: Importer,
  node: Node,
  name: string,
  length: number,
  least: number,
  values = node.ints(name) ?? new Array<number>(length).fill(least),
): readonly number[] {
  if (values.length !== length || values.some((v) => !(v >= least)))
    importer.refuse(node, `its ${name} [${values.join(", ")}] are not ${length} numbers of ${least} or more`);
  return values;
}

/** What is before and what behind along each axis, of so much in all; the larger half stands behind where `upper`. */
export function halved(total: readonly number[], upper: boolean): [before: number[], behind: number[]] {
  const small = total.map((t) => Math.floor(t / 2));
  const large = total.map((t, k) => t - small[k]!);
  return upper ? [small, large] : [large, small];
}

/**
 * Resolves `auto_pad`, defaults and `ceil_mode` of a 2-D window to explicit geometry and output size.
 * @param line whether the node itself slides over the last axis alone
 */
export function windowOf(
  importer: Importer,
  node: Node,
  input: readonly number[],
  kernel: readonly number[],
  line = false,
): Window & { output: [number, number]; extra: [number, number] } {
  if (kernel.some((k) => k < 1)) importer.refuse(node, `its kernel [${kernel.join(", ")}] is empty`);
  requirePlanes(importer, node, input, kernel);
  const list = (name: string, length: number, least: number): readonly number[] => {
    const given = node.ints(name);
    const isLine = line && given?.length === length / 2;
    return listOf(importer, node, name, length, least, isLine ? overLine(given, least) : given);
  };
  const strides = list("strides", 2, 1);
  const dilations = list("dilations", 2, 1);
  const auto = node.text("auto_pad", "NOTSET");
  let pads = list("pads", 4, 0);
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const total = [0, 1].map((k) => same(input[k + 2]!, kernel[k]!, strides[k]!, dilations[k]!));
    pads = halved(total, auto === "SAME_UPPER").flat();
  } else if (auto === "VALID") pads = [0, 0, 0, 0];
  const ceil = node.int("ceil_mode", 0) === 1;
  const extra: [number, number] = [0, 0];
  const padded = (k: number): number => input[k + 2]! + pads[k]! + pads[k + 2]!;
  const output = [0, 1].map((k) => {
    const span = padded(k) - (dilations[k]! * (kernel[k]! - 1) + 1);
    let size = Math.floor(span / strides[k]!) + 1;
    if (ceil && span % strides[k]! !== 0 && size * strides[k]! < input[k + 2]! + pads[k]!) {
      extra[k] = size * strides[k]! - span;
      size += 1;
    }
    return size;
  }) as [number, number];
  return {
    kernel: kernel as [number, number],
    // A single window can have any stride, also one that nobody could make room for.
    strides: strides.map((s, k) => (output[k] === 1 ? Math.min(s, padded(k)) : s)) as [number, number],
    pads: pads as [number, number, number, number],
    dilations: dilations.map((d, k) => (kernel[k] === 1 ? 1 : d)) as [number, number],
    output,
    extra,
  };
}
