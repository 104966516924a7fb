import type { Layer, TensorId } from "./network.js";

/** How near to 1 a sixth, times six, comes as it is stored in half precision (bfloat16 has 8 bits). */
const HALF = 2 ** -8;
const GATE_OPERATORS = new Set(["Sigmoid", "HardSigmoid"]);
type Makers = ReadonlyMap<TensorId, Layer>;

/** Kinds that only move or round elements, behind which a gate is known all the same. */
export const MOVES: ReadonlySet<Layer["kind"]> = new Set<Layer["kind"]>([
  "reshape",
  "transpose",
  "split",
  "slice",
  "gather",
  "pad",
  "concat",
  "select",
  "rounding",
]);

/** What a tensor's elements are made as, behind everything that only moves or rounds them; each tensor is looked at once. */
function unmoved(id: TensorId, made: Makers): TensorId[] {
  const seen = new Set<TensorId>();
  const open = [id];
  const found: TensorId[] = [];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const layer = made.get(at);
    if (layer && MOVES.has(layer.kind)) open.push(...layer.inputs);
    else found.push(at);
  }
  return found;
}

/** Whether a tensor says how much: it ends in a softmax, sigmoid or hard-sigmoid, seen through moves. */
export const endsInGate = (id: TensorId, made: Makers): boolean => unmoved(id, made).every((at) => isGate(at, made));
/** The same of a hard-sigmoid that is divided by its height only behind the product. */
export const endsInUnscaledGate = (id: TensorId, made: Makers): boolean =>
  unmoved(id, made).every((at) => isUnscaledGate(at, made));
/** Whether a tensor divides what it is multiplied with: it ends in `c / y` or in a negative power of y, seen through moves. */
export const endsInReciprocal = (id: TensorId, made: Makers): boolean =>
  unmoved(id, made).every((at) => isReciprocal(at, made));

function isReciprocal(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  if (layer?.kind === "scale" && !layer.shift && layer.factor?.data.length === 1)
    return isReciprocal(layer.inputs[0]!, made);
  const last = layer?.kind === "activation" ? layer.steps.at(-1)! : undefined;
  const exponent = last?.op === "Pow" ? last.operands[1] : undefined;
  return last?.op === "Reciprocal" || (typeof exponent === "object" && exponent.data.every((v) => v < 0));
}

function isGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  if (!layer) return false;
  if (layer.kind === "softmax") return !layer.log;
  if (layer.kind === "activation" && GATE_OPERATORS.has(layer.steps.at(-1)!.op)) return true;
  // Hard-sigmoid spelled out, clip(x + 3, 0, 6) / 6: what counts is that it ends at 0 and 1.
  if (layer.kind === "scale" && !layer.shift && layer.factor?.data.length === 1)
    return Math.abs(clippedAt(layer.inputs[0]!, made) * layer.factor.data[0]! - 1) < HALF;
  return clippedAt(id, made) === 1;
}

/** `signal · clip(x + 3, 0, 6)`, divided by 6 afterwards or by the next layer's weights. */
function isUnscaledGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  const before = layer && made.get(layer.inputs[0]!);
  return !Number.isNaN(clippedAt(id, made)) && before?.kind === "scale" && before.shift?.data.length === 1;
}

/** The upper end of a clip that begins at 0; NaN for anything else. */
function clippedAt(id: TensorId, made: Makers): number {
  const layer = made.get(id);
  const last = layer?.kind === "activation" ? layer.steps.at(-1)! : undefined;
  return last?.op === "Clip" && last.attributes.min === 0 ? (last.attributes.max ?? Number.NaN) : Number.NaN;
}
