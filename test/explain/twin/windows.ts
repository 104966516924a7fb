import { listAttribute, numberAttribute, type OnnxNode, textAttribute } from "./onnx-reader.js";

/** The sliding windows of a convolution or pool over two spatial axes; one axis counts as two, the first of length 1. */
export interface Windows {
  input: [number, number];
  output: [number, number];
  kernel: [number, number];
  stride: [number, number];
  dilation: [number, number];
  padBegin: [number, number];
  padEnd: [number, number];
}

const AXES = [0, 1] as const;

/** `spatial`: the input's spatial lengths, one or two. */
export function windowsOf(node: OnnxNode, spatial: readonly number[], kernel: readonly number[]): Windows {
  const rank = spatial.length;
  if (rank < 1 || rank > 2) throw new Error(`${node.op} "${node.name}" over ${rank} axes is not handled`);
  const both = (values: readonly number[], fill: number): [number, number] =>
    rank === 2 ? [values[0]!, values[1]!] : [fill, values[0]!];
  const ones = new Array<number>(rank).fill(1);
  const pads = listAttribute(node, "pads") ?? new Array<number>(2 * rank).fill(0);
  const w: Windows = {
    input: both(spatial, 1),
    output: [1, 1],
    kernel: both(kernel, 1),
    stride: both(listAttribute(node, "strides") ?? ones, 1),
    dilation: both(listAttribute(node, "dilations") ?? ones, 1),
    padBegin: both(pads.slice(0, rank), 0),
    padEnd: both(pads.slice(rank), 0),
  };
  const autoPad = textAttribute(node, "auto_pad", "NOTSET");
  const ceil = numberAttribute(node, "ceil_mode", 0) === 1;
  for (const axis of AXES) {
    const reach = (w.kernel[axis] - 1) * w.dilation[axis] + 1;
    if (autoPad === "VALID") w.padBegin[axis] = w.padEnd[axis] = 0;
    if (autoPad.startsWith("SAME")) {
      const total = Math.max(
        (Math.ceil(w.input[axis] / w.stride[axis]) - 1) * w.stride[axis] + reach - w.input[axis],
        0,
      );
      const less = Math.floor(total / 2);
      w.padBegin[axis] = autoPad === "SAME_UPPER" ? less : total - less;
      w.padEnd[axis] = total - w.padBegin[axis];
    }
    const steps = (w.input[axis] + w.padBegin[axis] + w.padEnd[axis] - reach) / w.stride[axis];
    w.output[axis] = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window may hang over the end, but must not start there.
    if (ceil && (w.output[axis] - 1) * w.stride[axis] >= w.input[axis] + w.padBegin[axis]) w.output[axis]--;
  }
  return w;
}

/** Output shape for `channels` planes of `spatial` lengths. */
export const outputDims = (w: Windows, batch: number, channels: number, rank: number): number[] =>
  rank === 2 ? [batch, channels, ...w.output] : [batch, channels, w.output[1]];

/** Visits the input positions `y * width + x` that a window holds; padding is left out. `k` is `ky * kernelWidth + kx`. */
export function forEachInWindow(
  w: Windows,
  oy: number,
  ox: number,
  visit: (position: number, k: number) => void,
): void {
  for (let ky = 0; ky < w.kernel[0]; ky++) {
    const y = oy * w.stride[0] - w.padBegin[0] + ky * w.dilation[0];
    if (y < 0 || y >= w.input[0]) continue;
    for (let kx = 0; kx < w.kernel[1]; kx++) {
      const x = ox * w.stride[1] - w.padBegin[1] + kx * w.dilation[1];
      if (x < 0 || x >= w.input[1]) continue;
      visit(y * w.input[1] + x, ky * w.kernel[1] + kx);
    }
  }
}

/** How many places of a window lie on the input or, if asked, its padding; never beyond the padding. */
export function countInWindow(w: Windows, oy: number, ox: number, withPadding: boolean): number {
  const inside = (axis: 0 | 1, o: number): number => {
    let n = 0;
    for (let k = 0; k < w.kernel[axis]; k++) {
      const at = o * w.stride[axis] - w.padBegin[axis] + k * w.dilation[axis];
      const from = withPadding ? -w.padBegin[axis] : 0;
      const to = w.input[axis] + (withPadding ? w.padEnd[axis] : 0);
      if (at >= from && at < to) n++;
    }
    return n;
  };
  return inside(0, oy) * inside(1, ox);
}
