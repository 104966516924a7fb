import type { Facts, InputFacts, Origin } from "../facts.js";
import { channelsOf, type Look, sideOf } from "./look.js";

/** What a pixel of 0 and of 255 becomes, as the ONNX standard's `Image.NominalPixelRange` names it. */
const RANGES: Readonly<Record<string, { mean: number; std: number }>> = {
  NominalRange_0_255: { mean: 0, std: 1 },
  Normalized_0_1: { mean: 0, std: 255 },
  Normalized_1_1: { mean: 127.5, std: 127.5 },
};

/** The standard's image properties in an ONNX file, with those of Custom Vision where there are any. */
export const imagePropertiesOfFile = (metadata: ReadonlyMap<string, string>, file: string): Origin[] =>
  originOf((key) => metadata.get(key), `${file} (its metadata)`);

/** `metadata_properties.json`, as Custom Vision writes the same beside a model. */
export function imageProperties(look: Look): Origin[] {
  const found = look.json("metadata_properties.json");
  if (!found) return [];
  return originOf((key) => {
    const value = found.content[key];
    return typeof value === "string" ? value : undefined;
  }, found.file);
}

function originOf(property: (key: string) => string | undefined, from: string): Origin[] {
  const range = RANGES[property("Image.NominalPixelRange") ?? ""];
  const format = property("Image.BitmapPixelFormat");
  if (!range && format === undefined) return [];
  const facts = (): Facts => ({
    input: { ...scaling(property, range), ...orderOf(format), ...customVision(property) },
  });
  return [{ from, facts }];
}

function orderOf(format: string | undefined): InputFacts {
  if (format === "Gray8") return { channels: 1 };
  if (/^Rgba?8$/.test(format ?? "")) return { channelOrder: "RGB" };
  return /^Bgra?8$/.test(format ?? "") ? { channelOrder: "BGR" } : {};
}

/** Custom Vision's own mean and std come after the range. */
function scaling(
  property: (key: string) => string | undefined,
  range: (typeof RANGES)[string] | undefined,
): InputFacts {
  if (!range) return {};
  const mean = listOf(property("CustomVision.Preprocess.NormalizeMean")) ?? [0];
  const std = listOf(property("CustomVision.Preprocess.NormalizeStd")) ?? [1];
  if (std.some((s) => s <= 0)) return {};
  return { mean: mean.map((m) => m * range.std + range.mean), std: std.map((s) => s * range.std) };
}

function customVision(property: (key: string) => string | undefined): InputFacts {
  const [width, height] = ["Width", "Height"].map((side) =>
    sideOf(Number(property(`CustomVision.Preprocess.Target${side}`) ?? Number.NaN)),
  );
  const crop = property("CustomVision.Preprocess.CropMethod");
  return {
    ...(width && height && { width, height }),
    ...(crop === "FullImageShorterSide" && { fit: "crop" as const }),
  };
}

/** A list of numbers in JSON. */
function listOf(text: string | undefined): number[] | undefined {
  if (text === undefined || text.length > 1000) return undefined;
  try {
    return channelsOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}
