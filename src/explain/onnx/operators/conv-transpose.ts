import type { TensorId } from "../../network/network.js";
import { float32, type Importer, type Node, type OperatorImport } from "../importer.js";
import { cropped } from "./pad.js";
import { halved, listOf, requirePlanes } from "./window.js";

/**
 * A transposed convolution is a convolution of its input with `stride − 1` zeros between the elements, by the kernel turned
 * by 180° with its channel axes swapped.
 */
export const ConvTranspose: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const shape = importer.shape(x);
  const weight = importer.weight(node, 1, "kernel");
  const bias = node.inputs[2] ? importer.weight(node, 2, "bias") : undefined;
  const [inputs, perGroup, ...kernel] = weight.dims as [number, number, ...number[]];
  const groups = node.int("group", 1);
  requirePlanes(importer, node, shape, kernel);
  const out = perGroup * groups;
  if (groups < 1 || inputs !== shape[1] || inputs % groups !== 0 || (bias && bias.data.length !== out))
    importer.refuse(
      node,
      `its kernel [${weight.dims.join(", ")}] with ${groups} group(s) fits neither an input of ${shape[1]} channels nor its bias`,
    );
  const list = (name: string, least: number) => listOf(importer, node, name, 2, least) as [number, number];
  const strides = list("strides", 1);
  const dilations = list("dilations", 1);
  const outputPadding = list("output_padding", 0);
  const reach = kernel.map((k, axis) => dilations[axis]! * (k - 1) + 1);
  const [begin, end] = margins(importer, node, shape.slice(2), strides, reach, outputPadding);
  // Padding of the convolution; negative where elements of its input are to be cut off.
  const before = [0, 1].map((k) => reach[k]! - 1 - begin[k]!);
  const after = [0, 1].map((k) => reach[k]! - 1 - end[k]! + outputPadding[k]!);
  const spread = cropped(importer, node, spreadOut(importer, node, x, strides), [0, 0, ...before], [0, 0, ...after]);
  // After a crop the next element follows at the stride.
  const firstElement = (k: number): number => (strides[k]! - (Math.max(0, -before[k]!) % strides[k]!)) % strides[k]!;
  const pads = [...before, ...after].map((p) => Math.max(0, p)) as [number, number, number, number];
  const output = importer
    .shape(spread)
    .slice(2)
    .map((d, k) => d + pads[k]! + pads[k + 2]! - reach[k]! + 1);
  importer.push(node, "conv", [spread], [[-1, out, ...output]], {
    kernel: kernel as [number, number],
    strides: [1, 1],
    pads,
    dilations,
    groups,
    weight: { dims: [out, inputs / groups, ...kernel], data: turned(float32(weight), weight.dims, groups) },
    bias: bias && float32(bias),
    spread: { first: [0, 1].map(firstElement) as [number, number], every: strides },
  });
};

/** How much is cut off the full result at the begin and end of each axis. */
function margins(
  importer: Importer,
  node: Node,
  input: readonly number[],
  strides: readonly number[],
  reach: readonly number[],
  outputPadding: readonly number[],
): [number[], number[]] {
  const given = listOf(importer, node, "pads", 4, 0);
  const wanted = node.ints("output_shape");
  const auto = node.text("auto_pad", "NOTSET");
  const same = auto === "SAME_UPPER" || auto === "SAME_LOWER";
  if (!wanted && !same) {
    const pads = auto === "VALID" ? [0, 0, 0, 0] : given;
    return [pads.slice(0, 2), pads.slice(2)];
  }
  const total = [0, 1].map((k) => {
    const size = wanted ? wanted.slice(-2)[k]! : input[k]! * strides[k]!;
    return strides[k]! * (input[k]! - 1) + outputPadding[k]! + reach[k]! - size;
  });
  if (total.some((t) => t < 0)) importer.refuse(node, "its output is larger than what its kernel reaches");
  return halved(total, auto === "SAME_UPPER");
}

/** `stride − 1` zeros between neighbours along height and width. */
function spreadOut(importer: Importer, node: Node, x: TensorId, [sh, sw]: readonly [number, number]): TensorId {
  if (sh === 1 && sw === 1) return x;
  const [, c, h, w] = importer.shape(x) as [number, number, number, number];
  const apart = importer.push(node, "reshape", [x], [[-1, c, h, 1, w, 1]], {});
  const zeros = importer.push(node, "pad", apart, [[-1, c, h, sh, w, sw]], {
    before: [0, 0, 0, 0, 0, 0],
    after: [0, 0, 0, sh - 1, 0, sw - 1],
    value: 0,
  });
  const joined = importer.push(node, "reshape", zeros, [[-1, c, h * sh, w * sw]], {});
  const ends = [(h - 1) * sh + 1, (w - 1) * sw + 1];
  return importer.push(node, "slice", joined, [[-1, c, ...ends]], { axes: [2, 3], starts: [0, 0], ends })[0]!;
}

/** `[in, out / g, kh, kw]` to `[out, in / g, kh, kw]`, the kernel turned by 180°. */
function turned(weight: Float32Array, dims: readonly number[], groups: number): Float32Array {
  const [inputs, perGroup, kh, kw] = dims as [number, number, number, number];
  const own = inputs / groups;
  const data = new Float32Array(weight.length);
  for (let g = 0; g < groups; g++)
    for (let o = 0; o < perGroup; o++)
      for (let i = 0; i < own; i++)
        for (let y = 0; y < kh; y++)
          for (let x = 0; x < kw; x++)
            data[(((g * perGroup + o) * own + i) * kh + y) * kw + x] =
              weight[(((g * own + i) * perGroup + o) * kh + kh - 1 - y) * kw + kw - 1 - x]!;
  return data;
}
