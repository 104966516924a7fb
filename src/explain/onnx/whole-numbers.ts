import { ElementType, typeName } from "../proto/onnx.js";
import { type Range, rangeOf, type Scales, scalesNeeded } from "../quantisation.js";
import { axisOf, type Importer, type Node } from "./importer.js";
import { typeOf } from "./tensor.js";
import { isUnit, type Whole } from "./whole.js";

/** Of the types that tensors are quantised to. */
const RANGES: Record<number, Range> = {
  [ElementType.int4]: rangeOf(4, true),
  [ElementType.uint4]: rangeOf(4, false),
  [ElementType.int8]: rangeOf(8, true),
  [ElementType.uint8]: rangeOf(8, false),
  [ElementType.int16]: rangeOf(16, true),
  [ElementType.uint16]: rangeOf(16, false),
};

/** The numbers of a type. @throws ModelError where nothing is quantised to it */
export function rangeOfType(importer: Importer, node: Node, type: number): Range {
  return (
    RANGES[type] ??
    importer.refuse(node, `it quantises to ${typeName(type)}, and whole numbers of 4, 8 or 16 bits are known`)
  );
}

/** Whether a type holds all whole numbers of another. */
export function holds(type: number, other: number): boolean {
  if (type === other || WIDE.has(type)) return true;
  const [outer, inner] = [RANGES[type], RANGES[other]];
  return outer !== undefined && inner !== undefined && outer.low <= inner.low && outer.high >= inner.high;
}

/** Types that hold all numbers that a picture is made of, or that are quantised to. */
const WIDE = new Set<number>([ElementType.int32, ElementType.int64]);

/** How a constant is quantised by the operands from `first` on, scale and zero point. */
export function scalesOf(importer: Importer, node: Node, dims: readonly number[], first = 1): Scales {
  const scale = importer.weight(node, first, "scale");
  const zero = node.inputs[first + 1] ? importer.weight(node, first + 1, "zero point") : undefined;
  const given = axisOf(node.int("axis", 1), dims.length);
  const block = node.int("block_size", 0);
  const one = scale.data.length === 1;
  const misfit = (): never =>
    importer.refuse(
      node,
      `its scale [${scale.dims.join(", ")}] does not fit a tensor of dims [${dims.join(", ")}] along axis ${given}`,
    );
  if (!one && !(given >= 0 && given < dims.length)) misfit();
  if (block < 0 || (block > 0 && scale.dims.length !== dims.length)) misfit();
  const scales: Scales = { scale: scale.data, zero: zero?.data, axis: one ? 0 : given, block: Math.max(1, block) };
  if (!one && scale.data.length !== scalesNeeded(dims, scales.axis, scales.block)) misfit();
  if (zero && zero.data.length !== scale.data.length)
    importer.refuse(node, `it has ${zero.data.length} zero points for ${scale.data.length} scales`);
  if (!scale.data.every((v) => Number.isFinite(v) && v > 0))
    importer.refuse(node, "its scale is not a positive number throughout");
  return scales;
}

/** How a tensor that depends on the picture is quantised: alike throughout. */
export function wholeOf(importer: Importer, node: Node): Pick<Whole, "scale" | "zero"> {
  const scale = importer.weight(node, 1, "scale");
  const zero = node.inputs[2] ? importer.weight(node, 2, "zero point") : undefined;
  if (scale.data.length !== 1 || (zero && zero.data.length !== 1))
    importer.refuse(
      node,
      `it quantises what depends on the picture with ${scale.data.length} scales, and one for the whole tensor is known`,
    );
  if (!(scale.data[0]! > 0 && Number.isFinite(scale.data[0]!)))
    importer.refuse(node, "its scale is not a positive number");
  return { scale: scale.data[0]!, zero: zero?.data[0] ?? 0 };
}

/** The type that a node quantises to: that of its zero point, else what it names, else uint8. */
export function targetType(importer: Importer, node: Node): number {
  const zero = importer.constant(node, 2);
  return zero ? typeOf(zero) : node.int("output_dtype", 0) || ElementType.uint8;
}

/** Operators that move or compare whole numbers, and so the values that they stand for. */
const MOVING = new Set(
  [
    "Concat DepthToSpace Expand Flatten Gather GlobalMaxPool Identity MaxPool Reshape Slice SpaceToDepth Split Squeeze",
    "Tile Transpose Unsqueeze Dropout Max Min Pad",
  ].flatMap((line) => line.split(" ")),
);
/** Operators that know what whole numbers stand for. */
const KNOWING = new Set(["DequantizeLinear", "Cast", "Shape", "Size"]);

/**
 * Notes that what a node moves stands for values alike, and lets it pad with what its number stands for.
 * @param from the first layer that the node has made
 * @throws ModelError where it computes with whole numbers, or mixes what they stand for
 */
export function passWhole(importer: Importer, node: Node, from: number): void {
  const { whole } = importer;
  if (whole.size === 0) return;
  const found = node.inputs.map((name) => whole.get(name));
  const first = found.find((w) => w !== undefined);
  if (!first || KNOWING.has(node.op)) return;
  const isNearest = node.op === "Resize" && node.text("mode", "nearest") === "nearest";
  if (!MOVING.has(node.op) && !isNearest)
    importer.refuse(
      node,
      isUnit(first)
        ? "it computes with whole numbers, whose results are cut to whole numbers again; cast them to float32 before it"
        : "it computes with whole numbers, and only what they are dequantised to can be explained; give the float32 file, from before it was quantised",
    );
  const others = node.inputs.filter((name, k) => importer.tensors.has(name) && !found[k]).length;
  if (others > 0 || found.some((w) => w && (w.scale !== first.scale || w.zero !== first.zero)))
    importer.refuse(node, "its inputs are quantised differently");
  const mixed = node.op === "Concat" || node.op === "Max" || node.op === "Min";
  if (mixed && !isUnit(first) && node.inputs.some((_, k) => importer.constant(node, k)))
    importer.refuse(node, "one of its inputs is a constant of whole numbers");
  importer.layers.slice(from).forEach((layer, k) => {
    if (layer.kind === "pad") importer.layers[from + k] = { ...layer, value: (layer.value - first.zero) * first.scale };
  });
  for (const name of node.outputs) if (name) whole.set(name, first);
}
