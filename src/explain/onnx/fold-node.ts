import { BATCH } from "./batch.js";
import { forOneFrame, keepsFramesApart, repeatsFrames, stepOf } from "./batched.js";
import { foldByEngine } from "./engine-fold.js";
import { FOLDS } from "./fold.js";
import type { Importer, Node } from "./importer.js";
import { type Constant, MAX_AXES, size } from "./tensor.js";

/** Larger constants are left to the engine, which is quicker at them than starting it takes. */
const MAX_ELEMENTS_FOLDED_HERE = 2 ** 20;

/** Looks that another shape for the same numbers counts for, for each number of what says so. */
const VIEW = 64;

/** Operators that give other numbers each time. */
const RANDOM = new Set(
  "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split(" "),
);

/** Refuses nodes whose results differ from run to run, whatever they are made from. */
export function refuseRandom(importer: Importer, node: Node): void {
  const training = node.op === "Dropout" && importer.constant(node, 2)?.data[0];
  if (RANDOM.has(node.op) || training)
    importer.refuse(node, "its result is random; export the model for inference (model.eval())");
}

/**
 * Evaluates a node whose inputs are all constants: here where that is quicker, else by onnxruntime. Its outputs become
 * constants too.
 * @throws ModelError where it cannot be computed, or would take more memory or time than such a file may
 */
export function foldNode(importer: Importer, node: Node, constants: readonly (Constant | undefined)[]): void {
  if (node.op === "Range" && isCountOfFrames(constants)) {
    importer.setConstant(node, { dims: [1], data: Float64Array.of(0), integer: true, batched: true, step: 1 });
    return;
  }
  const results = evaluate(importer, node, forOneFrame(node, constants));
  const repeats = repeatsFrames(node, constants);
  const isBatched = repeats || constants.some((c) => c?.batched);
  const counts = constants.some((c) => c?.step);
  const step = counts ? stepOf(node, constants) : undefined;
  if ((isBatched && !repeats && !keepsFramesApart(node, constants, results)) || (counts && step === undefined))
    importer.refuse(node, "its size follows the batch");
  results.forEach((result, k) => {
    if (!result) return;
    if (result.dims.length > MAX_AXES)
      importer.refuse(node, `its result has ${result.dims.length} axes, and up to ${MAX_AXES} are known`);
    if (result.dims.some((d) => d > 0 && d % BATCH === 0)) importer.refuse(node, "its size follows the batch");
    importer.setConstant(node, isBatched ? { ...result, batched: true, ...(step && { step }) } : result, k);
    importer.madeFrom.set(node.outputs[k]!, node.inputs);
  });
}

/** `0, 1, … N − 1`: the number of each frame. */
const isCountOfFrames = ([start, limit, step]: readonly (Constant | undefined)[]): boolean =>
  start?.data[0] === 0 && limit?.data[0] === BATCH && step?.data[0] === 1 && start.integer;

/** In the order of the node's outputs; undefined where one is not used. */
function evaluate(
  importer: Importer,
  node: Node,
  constants: readonly (Constant | undefined)[],
): (Constant | undefined)[] {
  const fold = Object.hasOwn(FOLDS, node.op) ? FOLDS[node.op] : undefined;
  const [first] = constants;
  const lengths = constants.map((c) => c?.data.length ?? 0);
  if (node.op === "Dropout" && first && node.outputs.length === 1) return [first];
  if (first && fold?.view?.(first, node)) {
    importer.budget.work(importer, node, VIEW * (1 + lengths.slice(1).reduce((sum, n) => sum + n, 0)));
    const shared = fold.run([...constants], node);
    if (shared) return [shared];
  } else if (fold && constants.every((c, k) => !node.inputs[k] || c)) {
    const count = fold.size?.([...constants], node) ?? constants[0]?.data.length ?? 0;
    const largest = Math.max(count, ...lengths);
    if (count % BATCH === 0 && count > 0) importer.refuse(node, "its size follows the batch");
    if (largest <= MAX_ELEMENTS_FOLDED_HERE) {
      const rank = Math.max(4, ...constants.map((c) => c?.dims.length ?? 0));
      importer.budget.work(importer, node, 4 * rank * largest);
      const made = fold.run([...constants], node);
      if (made) {
        importer.budget.take(importer, node, size(made.dims));
        return [made];
      }
    }
  }
  return foldByEngine(importer, node, constants);
}
