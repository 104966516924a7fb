import type { Expansion } from "./writer.js";

const PARAMETERS: Record<string, readonly string[]> = {
  Clip: ["min", "max"],
  HardSigmoid: ["alpha", "beta"],
  LeakyRelu: ["alpha"],
  Relu: [],
  Sigmoid: [],
  Tanh: [],
};

/** A convolution, what is added to it, and the activation behind both. */
export const FusedConv: Expansion = (w) => {
  const { node, importer } = w;
  const activation = node.text("activation", "");
  if (activation !== "" && !Object.hasOwn(PARAMETERS, activation))
    importer.refuse(node, `its activation ${activation} is not known`);
  const other = w.input(3);
  const [x, weight, bias] = [w.needed(0), w.needed(1), w.input(2)];
  const plain = activation === "" && !other ? node.outputs[0] : undefined;
  const geometry = new Set(["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"]);
  const conv = w.op("Conv", [x, weight, ...(bias ? [bias] : [])], {}, plain);
  w.nodes.at(-1)!.attribute!.push(...node.attributes.filter((a) => geometry.has(a.name)));
  const sum = other ? w.op("Add", [conv, other], {}, activation === "" ? node.outputs[0] : undefined) : conv;
  if (activation === "") return;
  const values = node.floats("activation_params") ?? [];
  const named = PARAMETERS[activation]!.flatMap((name, k) => (values[k] === undefined ? [] : [[name, values[k]]]));
  w.op(activation, [sum], Object.fromEntries(named), node.outputs[0]);
};

/** A matrix product of factors that may be turned, times a number. */
export const FusedMatMul: Expansion = (w) => {
  const { node, importer } = w;
  if (node.int("transBatchA", 0) || node.int("transBatchB", 0))
    importer.refuse(node, "it turns the axes before its matrices");
  const turned = (index: number, name: string): string => {
    const x = w.needed(index);
    const { length } = w.dims(index);
    if (!node.int(name, 0) || length < 2) return x;
    const perm = Array.from({ length }, (_, k) => (k < length - 2 ? k : 2 * length - 3 - k));
    return w.op("Transpose", [x], { perm });
  };
  const alpha = node.float("alpha", 1);
  const a = turned(0, "transA");
  const scaled = alpha === 1 ? a : w.op("Mul", [a, w.number(alpha)]);
  w.op("MatMul", [scaled, turned(1, "transB")], {}, node.outputs[0]);
};
