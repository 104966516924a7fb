import type { Constant } from "../../onnx/tensor.js";
import { type Name, type OnnxGraph, refuseDamaged } from "../../tensorflow/onnx-graph.js";

/** Configuration of a Keras layer, as its JSON has it. */
export type Config = Record<string, unknown>;

/** What a layer's translation may look at. */
export interface LayerCall {
  graph: OnnxGraph;
  name: string;
  kind: string;
  config: Config;
  inputs: readonly Name[];
  /** Axes of the first input, batch included. */
  rank: number;
  /** Keras 3 defines a few functions anew. */
  keras3: boolean;
  /** A weight by its name within the layer; undefined where the file has none. */
  weight(...names: string[]): Constant | undefined;
}

/** Writes what a layer computes, and names the result. */
export type LayerTranslation = (call: LayerCall) => Name;

export const number = (config: Config, key: string, fallback: number): number => {
  const value = config[key];
  return typeof value === "number" ? value : fallback;
};
export const flag = (config: Config, key: string, fallback: boolean): boolean => {
  const value = config[key];
  return typeof value === "boolean" ? value : fallback;
};
export const text = (config: Config, key: string, fallback: string): string => {
  const value = config[key];
  return typeof value === "string" ? value : fallback;
};
/** One number for both axes, or one each. */
export const pair = (config: Config, key: string, fallback: [number, number]): [number, number] => {
  const value = config[key];
  if (typeof value === "number") return [value, value];
  return Array.isArray(value) && value.length === 2 ? [Number(value[0]), Number(value[1])] : fallback;
};
export const channelsLast = (config: Config): boolean =>
  text(config, "data_format", "channels_last") !== "channels_first";

/** A weight that the layer cannot do without. */
export function weightOf(call: LayerCall, ...names: string[]): Constant {
  return call.weight(...names) ?? refuseDamaged(`the weights hold no ${names[0]} of layer "${call.name}"`);
}
