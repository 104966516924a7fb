import { listed } from "../../truncate.js";
import type { Layer, Network } from "../network/network.js";

/** What became of a file that is not in float32 throughout, in a sentence; undefined where it is. */
export function precisionNote({ layers, weightTypes = [] }: Network): string | undefined {
  const isWhole = (type: string): boolean => /int/.test(type);
  const parts = [
    ...stated(weightTypes.filter(isWhole), "weights, dequantised"),
    ...stated(
      weightTypes.filter((type) => !isWhole(type)),
      "weights, taken as float32",
    ),
  ];
  const rounded = layers.filter(({ kind }) => kind === "rounding").length;
  const cut = layers.filter((layer, k) => isCut(layer, layers[k + 1])).length;
  if (rounded > 0)
    parts.push(
      `${rounded} tensor${rounded === 1 ? "" : "s"} rounded and clipped as the file quantises them${cut > 0 ? `, ${cut} of them in place of a ReLU` : ""}`,
    );
  return parts.length > 0 ? `its numbers: ${parts.join("; ")}` : undefined;
}

const stated = (types: readonly string[], what: string): string[] =>
  types.length > 0 ? [`${listed([...types])} ${what}`] : [];

/** Whether a layer is the ReLU that the rounding behind it stands for. */
const isCut = (layer: Layer, behind: Layer | undefined): boolean =>
  layer.kind === "activation" && behind?.kind === "rounding" && layer.name === behind.name;
