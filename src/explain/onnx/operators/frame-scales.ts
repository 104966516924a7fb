import type { Importer, Node } from "../importer.js";
import type { Constant } from "../tensor.js";
import { pushScale, withConstant } from "./broadcast.js";

/**
 * Reads a node that has to do with scales of frames.
 * @returns false where it has not, or knows them itself
 */
export function readFrameScales(importer: Importer, node: Node): boolean {
  const { frameScales: known } = importer;
  if (!node.inputs.some((name) => known.has(name)) || node.op === "DequantizeLinear") return false;
  const [a, b] = node.inputs;
  const waits = known.waiting.get(a ?? "");
  if (node.op === "Cast" && waits !== undefined) {
    const { id, place } = importer.view(node, 0);
    importer.alias(node, id, place);
    known.waiting.set(node.outputs[0]!, waits);
    return true;
  }
  const scale = known.scales.get(a ?? "");
  if (REVIEWING.has(node.op) && scale && !scale.factor) {
    known.scales.set(node.outputs[0]!, scale);
    return true;
  }
  if (node.op !== "Mul" || a === undefined || b === undefined) return refuse(importer, node);
  return timesConstant(importer, node) || timesScale(importer, node) || refuse(importer, node);
}

/** What changes nothing about one number. */
const REVIEWING = new Set(["Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

const refuse = (importer: Importer, node: Node): never =>
  importer.refuse(
    node,
    "it computes with what is quantised while the model runs, before that is scaled back; give the float32 file, from before it was quantised",
  );

/** A scale times a constant is a scale; what waits goes on waiting. */
function timesConstant(importer: Importer, node: Node): boolean {
  const { frameScales: known } = importer;
  const at = node.inputs.findIndex((name) => importer.constants.has(name));
  if (at < 0) return false;
  const factor = importer.constant(node, at)!;
  const other = node.inputs[1 - at]!;
  const scale = known.scales.get(other);
  const output = node.outputs[0]!;
  if (scale && !scale.factor) {
    known.scales.set(output, { ...scale, factor });
    return true;
  }
  const waits = known.waiting.get(other);
  if (waits === undefined) return false;
  multiply(importer, node, 1 - at, factor);
  known.waiting.set(output, waits);
  return true;
}

/** What waits times the scale that it waits for. */
function timesScale(importer: Importer, node: Node): boolean {
  const { frameScales: known } = importer;
  for (const at of [0, 1]) {
    const waits = known.waiting.get(node.inputs[at]!);
    const scale = known.scales.get(node.inputs[1 - at]!);
    if (waits === undefined || scale?.of !== waits) continue;
    multiply(importer, node, at, scale.factor);
    return true;
  }
  return false;
}

function multiply(importer: Importer, node: Node, index: number, factor: Constant | undefined): void {
  const given = importer.view(node, index);
  if (!factor) return importer.alias(node, given.id, given.place);
  const { view, constant } = withConstant(importer, node, given, factor);
  pushScale(importer, node, view, { factor: constant });
}
