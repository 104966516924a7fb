import { ModelError } from "../../errors.js";
import { truncateMiddle } from "../../truncate.js";
import type { GraphOutput } from "../onnx/outputs.js";
import { ElementType, typeName } from "../proto/onnx.js";
import { type Name, type OnnxGraph, outputsOf } from "../tensorflow/onnx-graph.js";
import { rounded } from "./activations.js";
import type { LiteConstants } from "./constants.js";
import type { Op } from "./op.js";
import { OPERATORS } from "./operators/index.js";
import { refuseUnknown } from "./refusals.js";
import type { LiteModel, LiteOperator, LiteTensor } from "./schema.js";

/** Types that pictures come in: real numbers, or whole ones that stand for them. */
const INPUT_TYPES = new Set<number | undefined>([
  ElementType.float,
  ElementType.float16,
  ElementType.uint8,
  ElementType.int8,
  ElementType.int16,
]);

/**
 * Writes a network as ONNX nodes, and names its outputs, each with the refusal that names the operator that cannot be
 * explained, if there is one. Quantised tensors are the
 * real numbers that they stand for.
 */
export function translateModel(graph: OnnxGraph, model: LiteModel, constants: LiteConstants): GraphOutput[] {
  const made = new Map<number, Name>();
  const refusals = new Map<number, unknown>();
  for (const index of model.inputs) {
    const tensor = model.tensor(index);
    made.set(index, rounded(graph, pictureInput(graph, tensor), tensor));
  }
  const batch = model.inputs.length > 0 ? model.tensor(model.inputs[0]!).dims[0] : undefined;

  const tensorOf = (index: number): Name => {
    const known = made.get(index);
    if (known !== undefined) return known;
    const constant = constants.at(index);
    if (!constant) return graph.refuse(`it reads "${model.tensor(index).name}", which no earlier operator makes`);
    const name = graph.constant(constant);
    made.set(index, name);
    return name;
  };

  const translate = (operator: LiteOperator): void => {
    const { kind } = operator;
    const outputs = operator.outputs.map((index) => model.tensor(index));
    graph.origin = { name: outputs[0]?.name ?? kind, kind };
    const translation = !operator.custom && Object.hasOwn(OPERATORS, kind) ? OPERATORS[kind] : undefined;
    if (!translation) return refuseUnknown(graph, operator);
    const op: Op = {
      graph,
      kind,
      inputs: operator.inputs.map((index) => (index < 0 ? "" : tensorOf(index))),
      tensors: operator.inputs.map((index) => (index < 0 ? undefined : model.tensor(index))),
      outputs,
      options: operator.options,
      batch: batch === -1 ? undefined : batch,
      scaledConstant: (k, scales) => graph.constant(constants.scaled(operator.inputs[k]!, scales)),
    };
    const results = [translation(op)].flat();
    results.forEach((result, k) => {
      const tensor = outputs[k];
      if (tensor) made.set(tensor.index, rounded(graph, result, tensor));
    });
  };

  for (const operator of neededOf(model)) {
    const refusal = operator.inputs.map((index) => refusals.get(index)).find((r) => r !== undefined);
    try {
      if (refusal !== undefined) throw refusal;
      translate(operator);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      for (const index of operator.outputs) refusals.set(index, error);
    }
  }
  const names = model.signatureNames();
  return outputsOf(
    model.outputs.map((index) => ({
      shown: model.tensor(index).name,
      alias: names.get(index),
      make: () => {
        if (refusals.has(index)) throw refusals.get(index);
        graph.origin = { name: model.tensor(index).name, kind: "output" };
        return tensorOf(index);
      },
    })),
  );
}

/** The operators that some output depends on, in the order in which they are computed. */
function neededOf(model: LiteModel): LiteOperator[] {
  const wanted = new Set(model.outputs);
  const needed: LiteOperator[] = [];
  for (const operator of [...model.operators()].reverse()) {
    if (!operator.outputs.some((index) => wanted.has(index))) continue;
    needed.push(operator);
    for (const index of operator.inputs) wanted.add(index);
  }
  return needed.reverse();
}

function pictureInput(graph: OnnxGraph, { name, dims, type, quantisation }: LiteTensor): Name {
  const known = type !== undefined && INPUT_TYPES.has(type);
  if (!known || (type === ElementType.int16 && !quantisation))
    throw new ModelError(
      "model-input",
      `the model's input "${truncateMiddle(name, 60)}" is ${typeName(type ?? -1)}, and float32, uint8 or int8 is needed; convert it with such an input`,
    );
  return graph.input(
    name,
    dims.slice(1).map((d) => Math.max(0, d)),
  );
}
