import type { Fit, Interpolation } from "../../../fit.js";
import { INTERPOLATIONS } from "../../../fit.js";
import type { Facts, InputFacts, Origin, Size } from "../facts.js";
import { channelsOf, type Fields, fieldsOf, type Look, labelsOf, numberOf, sideOf, textOf } from "./look.js";

/** As timm resolves what a configuration leaves out. */
const DEFAULTS = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], interpolation: "bicubic", crop_pct: 0.875 };

/** `config.json`, as timm writes it, also within the one of transformers. */
export function timm(look: Look): Origin[] {
  const config = look.json("config.json");
  if (!config || textOf(config.content.architecture) === undefined) return [];
  const { file, content } = config;
  const given = fieldsOf(content.pretrained_cfg ?? content);
  if (given.input_size === undefined && given.mean === undefined) return [];
  return [{ from: file, facts: (size) => factsOf(content, given, size) }];
}

function factsOf(config: Fields, given: Fields, model: Size | undefined): Facts {
  const own = sizeOf(given.input_size);
  const test = sizeOf(given.test_input_size);
  const isTest = test !== undefined && model !== undefined && sameSize(test, model) && !(own && sameSize(own, model));
  const size = isTest ? test : own;
  const share = (isTest && numberOf(given.test_crop_pct)) || numberOf(given.crop_pct) || DEFAULTS.crop_pct;
  const [mean, std] = [channelsOf(given.mean) ?? DEFAULTS.mean, channelsOf(given.std) ?? DEFAULTS.std];
  const labels = labelsOf(config.label_names) ?? labelsOf(given.label_names);
  return {
    labels,
    input: {
      ...size,
      channels: Array.isArray(given.input_size) ? sideOf(given.input_size[0]) : undefined,
      mean: mean.map((v) => 255 * v),
      std: std.map((v) => 255 * v),
      interpolation: interpolationOf(given.interpolation),
      antialias: true,
      ...(size && resizing(textOf(given.crop_mode), size, share, mean)),
    },
  };
}

const sameSize = (a: Size, b: Size): boolean => a.width === b.width && a.height === b.height;

/** Channels, height, width. */
function sizeOf(value: unknown): Size | undefined {
  const [height, width] = Array.isArray(value) ? value.slice(-2).map(sideOf) : [];
  return height && width ? { width, height } : undefined;
}

const FITS: Readonly<Record<string, Fit>> = { center: "crop", squash: "stretch", border: "letterbox" };

/** The picture is resized to the input over the share of it that is kept, and the middle cut out. */
function resizing(
  mode: string | undefined,
  { width, height }: Size,
  share: number,
  mean: readonly number[],
): InputFacts {
  const fit = FITS[mode ?? "center"] ?? "crop";
  const over = (side: number): number => Math.max(1, Math.floor(side / share));
  return {
    fit,
    resize: { width: over(width), height: over(height) },
    cropRounding: "even",
    fill: fit === "letterbox" ? mean.map((v) => Math.round(255 * v)) : [0],
  };
}

const interpolationOf = (value: unknown): Interpolation =>
  INTERPOLATIONS.find((name) => name === value) ?? (DEFAULTS.interpolation as Interpolation);
