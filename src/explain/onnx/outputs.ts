import { ModelError } from "../../errors.js";
import { listed } from "../../truncate.js";
import { ElementType, type NodeProto, typeName, type ValueInfo } from "../proto/onnx.js";

/** An output of a model file. */
export interface GraphOutput extends ValueInfo {
  /** What the user's file calls it, where that is not the name of the tensor. */
  shown?: string;
  /** Another name that it may be given. */
  alias?: string;
  /** Why it could not be translated. */
  refusal?: unknown;
}

/** An output with what its import came to. */
export interface Candidate {
  output: GraphOutput;
  /** Dims with the batch; undefined where it was refused or does not depend on the picture. */
  dims: readonly number[] | undefined;
  refusal: unknown;
}

export const nameOf = (output: GraphOutput): string => output.shown ?? output.name;

/** Whether dims are those of one row of scores a frame. */
export const isRow = (dims: readonly number[]): boolean =>
  Math.max(...dims.slice(1)) === dims.slice(1).reduce((a, b) => a * b, 1);

/** Outputs of these tell a class, or list what was found, but are no scores. */
const NO_SCORES: Record<string, string> = {
  ArgMax: "the number of a class",
  ArgMin: "the number of a class",
  ZipMap: "a list of maps",
  TopK: "a list of the best alone",
  NonMaxSuppression: "a list of boxes",
  ArrayFeatureExtractor: "the name of a class",
};
/** Steps after which scores are still scores. */
const LAST_STEPS = new Set(
  "Identity Cast Reshape Flatten Squeeze Unsqueeze Transpose Clip Mul Dropout QuantizeLinear DequantizeLinear".split(
    " ",
  ),
);
/** Types of scores; those of 8 and 16 bits are quantised. */
const SCORES = new Set<number>([
  ...[0, ElementType.float, ElementType.float16, ElementType.bfloat16, ElementType.double],
  ...[ElementType.uint8, ElementType.int8, ElementType.uint16, ElementType.int16],
]);

/** The output of this name, or undefined where none is given. @throws ModelError that lists what there is */
export function namedOutput(outputs: readonly GraphOutput[], wanted: string | undefined): GraphOutput | undefined {
  if (wanted === undefined) return undefined;
  const found = outputs.find((o) => nameOf(o) === wanted) ?? outputs.find((o) => o.alias === wanted);
  if (found) return found;
  throw new ModelError("model-output", `the model has no output "${wanted}"; it has ${listed(outputs.map(nameOf), 8)}`);
}

/** @throws ModelError where an output was refused or surely holds no scores */
export function requireScores(output: GraphOutput, makers: ReadonlyMap<string, NodeProto>): void {
  if (output.refusal !== undefined) throw output.refusal;
  const reason = noScores(output, makers);
  if (reason !== undefined)
    throw new ModelError(
      "model-output",
      `the model's output "${nameOf(output)}" is ${reason}, and a classifier gives its scores, [N, classes]; export it without that last step`,
    );
}

/** Outputs beyond which none is looked for: each costs a walk through the graph. */
const MAX_OUTPUTS = 64;

/** @throws ModelError where there are more outputs than are compared */
export function refuseCrowd(outputs: readonly GraphOutput[]): void {
  if (outputs.length > MAX_OUTPUTS)
    throw new ModelError(
      "model-output",
      `the model has ${outputs.length} outputs (${listed(outputs.map(nameOf))}); name the one that holds the scores as "output" in its card model.yaml, or with --model-output`,
    );
}

/** How an output is known not to hold scores; undefined where it may. */
function noScores(output: GraphOutput, makers: ReadonlyMap<string, NodeProto>): string | undefined {
  const last = lastStep(output.name, makers);
  if (last && Object.hasOwn(NO_SCORES, last.opType)) return `${NO_SCORES[last.opType]} (${last.shown ?? last.opType})`;
  if (output.type && !output.type.tensorType) return "not a tensor";
  const type = output.type?.tensorType?.elemType;
  return type === undefined || SCORES.has(type) ? undefined : `of type ${typeName(type)}`;
}

/** The node that an output comes from, before steps that change nothing about what it says. */
function lastStep(tensor: string, makers: ReadonlyMap<string, NodeProto>): NodeProto | undefined {
  let node = makers.get(tensor);
  for (let k = 0; node && LAST_STEPS.has(node.opType) && k < 16; k++) {
    const before = makers.get(node.input?.[0] ?? "");
    if (!before) return node;
    node = before;
  }
  return node;
}

/** Outputs that are listed with their dims. */
const MOST_SHOWN = 8;

/** An output's name, with its dims where they are known. */
const shownWithDims = ({ output, dims }: Candidate): string =>
  dims ? `${nameOf(output)} [N, ${dims.slice(1).join(", ")}]` : nameOf(output);

const HOW = 'name another as "output" in its card model.yaml, or with --model-output';

/**
 * Which of several outputs holds the scores: those that surely do not are left out (numbers of classes, lists, pictures), as
 * are those that another one is computed from (features, logits). Of what remains the only one that ends in a softmax or sigmoid
 * is taken, else the first.
 * @param behind the nodes that a tensor depends on
 * @returns the output, and a sentence that says which it is and how to choose another
 * @throws ModelError where none can be the scores
 */
export function chooseOutput(
  candidates: readonly Candidate[],
  makers: ReadonlyMap<string, NodeProto>,
  behind: (tensor: string) => ReadonlySet<NodeProto>,
): { chosen: Candidate; sentence: string } {
  const reasons = candidates.map((c) => reasonAgainst(c, makers));
  const possible = candidates.filter((_, k) => reasons[k] === undefined);
  const names = listed(candidates.map(shownWithDims), MOST_SHOWN);
  if (possible.length === 0) {
    const why = candidates.map((c, k) => `"${nameOf(c.output)}" is ${reasons[k]}`);
    const hint = candidates.some(({ output }) => lastStep(output.name, makers)?.opType === "ZipMap");
    throw new ModelError(
      "model-output",
      `none of the model's ${candidates.length} outputs gives one row of class scores a frame, [N, classes]: ${listed(why)}; export it with its scores as an output${
        hint ? ' (skl2onnx: options={"zipmap": False})' : ""
      }`,
    );
  }
  const made = possible.map((c) => makers.get(c.output.name));
  const nodes = possible.map((c) => behind(c.output.name));
  /** Two outputs of one node do not feed each other. */
  const isFed = (maker: NodeProto | undefined): boolean =>
    maker !== undefined && nodes.some((set, other) => made[other] !== maker && set.has(maker));
  const ends = possible.filter((_, k) => !isFed(made[k]));
  const soft = ends.filter((c) => /Softmax$|^(?:QLinear)?Sigmoid$/.test(lastStep(c.output.name, makers)?.opType ?? ""));
  const [chosen, how] =
    possible.length === 1
      ? [possible[0]!, "the only one that can hold the scores,"]
      : ends.length === 1
        ? [ends[0]!, "the last of those that can hold the scores,"]
        : soft.length === 1
          ? [soft[0]!, "the only one that ends in a softmax or sigmoid,"]
          : [ends[0] ?? possible[0]!, "the first that can hold the scores,"];
  const sentence = `the model has ${candidates.length} outputs (${names}): "${nameOf(chosen.output)}", ${how} is explained; ${HOW}`;
  return { chosen, sentence };
}

function reasonAgainst(
  { output, dims, refusal }: Candidate,
  makers: ReadonlyMap<string, NodeProto>,
): string | undefined {
  const reason = noScores(output, makers);
  if (reason !== undefined || refusal !== undefined) return reason;
  if (!dims) return "not computed from the picture";
  return isRow(dims) ? undefined : `of dims [N, ${dims.slice(1).join(", ")}]`;
}
