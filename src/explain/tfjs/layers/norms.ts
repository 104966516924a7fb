import type { Constant } from "../../onnx/tensor.js";
import { scaled } from "../../tensorflow/functions.js";
import { flag, type LayerCall, type LayerTranslation, number, weightOf } from "./layer.js";

/** γ and β with what they are where a layer has none. */
function affine(call: LayerCall, length: number): { gamma: ArrayLike<number>; beta: ArrayLike<number> } {
  const of = (key: string, name: string, value: number): ArrayLike<number> =>
    flag(call.config, key, true) ? weightOf(call, name).data : new Float32Array(length).fill(value);
  return { gamma: of("scale", "gamma", 1), beta: of("center", "beta", 0) };
}

/** The one axis that a norm names. */
function axisOf(call: LayerCall): number {
  const { axis } = call.config;
  const axes = Array.isArray(axis) ? axis.map(Number) : [number(call.config, "axis", -1)];
  return axes.length === 1
    ? axes[0]!
    : call.graph.refuse(`it normalises along the axes ${axes.join(", ")}; one is known`);
}

/** `(x − mean) / √(variance + ε) · γ + β` with the statistics of the training. */
const BatchNormalization: LayerTranslation = (call) => {
  const { graph, config, inputs } = call;
  const [mean, variance] = [weightOf(call, "moving_mean"), weightOf(call, "moving_variance")];
  const channels = mean.data.length;
  const { gamma, beta } = affine(call, channels);
  const epsilon = number(config, "epsilon", 1e-3);
  const each = (f: (c: number) => number): Float64Array => Float64Array.from({ length: channels }, (_, c) => f(c));
  const factor = each((c) => gamma[c]! / Math.sqrt(variance.data[c]! + epsilon));
  const shift = each((c) => beta[c]! - mean.data[c]! * factor[c]!);
  const axis = axisOf(call);
  if (axis !== -1 && axis !== 1 && axis !== 3) graph.refuse(`it normalises along axis ${axis}`);
  // Axis 1 of a picture is followed by two, of a row by none.
  return scaled(graph, inputs[0]!, factor, shift, axis === 1 && call.rank === 4 ? 2 : 0);
};

const LayerNormalization: LayerTranslation = (call) => {
  const { graph, config, inputs } = call;
  const given = config.axis;
  const axes = Array.isArray(given) ? given.map(Number) : [number(config, "axis", -1)];
  const first = Math.min(...axes.map((a) => (a < 0 ? a : a - call.rank)));
  if (axes.length !== -first) graph.refuse(`it normalises over the axes ${axes.join(", ")}; the last ones are known`);
  const named = (key: string, name: string): Constant | undefined =>
    flag(config, key, true) ? weightOf(call, name) : undefined;
  const [gamma, beta] = [named("scale", "gamma"), named("center", "beta")];
  const factor = gamma ? graph.constant(gamma) : graph.floats([1], [1]);
  const attributes = { axis: first, epsilon: { float: number(config, "epsilon", 1e-3) } };
  return graph.one("LayerNormalization", [inputs[0]!, factor, ...(beta ? [graph.constant(beta)] : [])], attributes);
};

const GroupNormalization: LayerTranslation = (call) => {
  const { graph, config, inputs } = call;
  const known = call.weight("gamma", "beta");
  if (!known) return graph.refuse("it has neither scale nor center");
  const channels = known.data.length;
  const groups = number(config, "groups", 32);
  const { gamma, beta } = affine(call, channels);
  const isLast = axisOf(call) !== 1;
  const attributes = {
    num_groups: groups < 0 ? channels : groups,
    epsilon: { float: number(config, "epsilon", 1e-3) },
  };
  return graph.channelsFirst(inputs[0]!, isLast, (x) =>
    graph.one("GroupNormalization", [x, graph.floats(gamma), graph.floats(beta)], attributes),
  );
};

/** `(x − mean) / max(√variance, 1e-7)`, numbers of the configuration or weights. */
const Normalization: LayerTranslation = (call) => {
  const { graph, config, inputs } = call;
  const list = (name: string): ArrayLike<number> => {
    const given = config[name];
    if (typeof given === "number") return [given];
    return Array.isArray(given) ? (given.flat(9) as number[]) : weightOf(call, name).data;
  };
  const [mean, variance] = [Array.from(list("mean")), Array.from(list("variance"))];
  const deviation = variance.map((v) => Math.max(Math.sqrt(v), 1e-7));
  const invert = flag(config, "invert", false);
  const factor = deviation.map((d) => (invert ? d : 1 / d));
  return scaled(
    graph,
    inputs[0]!,
    factor,
    mean.map((m, c) => (invert ? m : -m * factor[c]!)),
  );
};

export const NORMS: Record<string, LayerTranslation> = {
  BatchNormalization,
  GroupNormalization,
  LayerNormalization,
  Normalization,
};
