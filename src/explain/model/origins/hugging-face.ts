import type { Fit } from "../../../fit.js";
import type { Facts, InputFacts, Origin, Size } from "../facts.js";
import { channelsOf, type Fields, fieldsOf, type Look, labelsOf, numberOf, sideOf, textOf } from "./look.js";
import { INTERPOLATION_CODES, PROCESSORS, processorOf } from "./processors.js";

/** `config.json` and `preprocessor_config.json`, as transformers writes them. */
export function huggingFace(look: Look): Origin[] {
  const config = look.json("config.json");
  const processor = look.json("preprocessor_config.json");
  const origins: Origin[] = [];
  const modelType = textOf(config?.content.model_type);
  if (processor && modelType !== "timm_wrapper") {
    const { file, content } = processor;
    const image = fieldsOf(content.image_processor ?? content);
    if (isProcessor(image)) origins.push({ from: file, facts: (size) => processorFacts(image, modelType, size) });
  }
  if (config && (modelType !== undefined || config.content.id2label !== undefined)) {
    const { file, content } = config;
    origins.push({ from: file, facts: () => configFacts(content) });
  }
  return origins;
}

const isProcessor = (fields: Fields): boolean =>
  ["image_processor_type", "feature_extractor_type", "image_mean", "do_normalize", "do_resize"].some(
    (key) => fields[key] !== undefined,
  );

/** transformers' own names of classes that nobody has named. */
const PLACEHOLDER = /^LABEL_\d+$/;

function configFacts(config: Fields): Facts {
  const labels = labelsOf(config.id2label);
  const image = sizeOf(config.image_size);
  const named = labels?.every((label) => PLACEHOLDER.test(label)) ? undefined : labels;
  return { labels: named, input: { ...image, channels: sideOf(config.num_channels) } };
}

/** A number is both sides; a list is height and width. */
function sizeOf(value: unknown): Partial<Size> {
  const [height, width] = Array.isArray(value) ? value.map(sideOf) : [sideOf(value), sideOf(value)];
  if (height && width) return { width, height };
  const { height: h, width: w } = fieldsOf(value);
  return sideOf(h) && sideOf(w) ? { height: sideOf(h), width: sideOf(w) } : {};
}

function processorFacts(given: Fields, modelType: string | undefined, model: Size | undefined): Facts {
  const written = textOf(given.image_processor_type) ?? textOf(given.feature_extractor_type);
  const known = processorOf(written, modelType);
  const defaults = known ? PROCESSORS[known]! : {};
  const notes =
    known === undefined
      ? [`has the image processor ${written ?? "of no name"}, which is not known; its values alone are taken`]
      : [];
  const fields: Fields = { ...defaults, ...definedOf(given) };
  const scaling = scalingOf(fields, known);
  const geometry = geometryOf(fields, known, model);
  const interpolation = INTERPOLATION_CODES[numberOf(fields.resample) ?? -1];
  return {
    input: {
      ...scaling,
      ...geometry.input,
      ...(interpolation && { interpolation, antialias: true }),
      ...(fields.do_flip_channel_order === true && { channelOrder: "BGR" as const }),
    },
    notes: [...notes, ...geometry.notes],
  };
}

/** A value of `null` is none. */
const definedOf = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

/** `(factor · v − offset − mean) / std`, and with EfficientNet's `include_top` once more by std, in units of pixels. */
function scalingOf(fields: Fields, known: string | undefined): Pick<InputFacts, "mean" | "std"> {
  const factor = fields.do_rescale === false ? 1 : (numberOf(fields.rescale_factor) ?? 1 / 255);
  const offset = fields.rescale_offset === true ? 1 : 0;
  const normalises = fields.do_normalize !== false;
  const mean = normalises ? channelsOf(fields.image_mean) : [0];
  const std = normalises ? channelsOf(fields.image_std) : [1];
  if (!mean || !std || factor <= 0 || std.some((s) => s <= 0)) return {};
  const again = known === "EfficientNet" && fields.include_top === true ? (channelsOf(fields.image_std) ?? [1]) : [1];
  return {
    mean: mean.map((m) => (m + offset) / factor),
    std: std.map((s, c) => (s * again[c % again.length]!) / factor),
  };
}

interface Geometry {
  input: InputFacts;
  notes: string[];
}

/** What is done to the sides of a picture before the model's size is cut out of it. */
function geometryOf(fields: Fields, known: string | undefined, model: Size | undefined): Geometry {
  if (known === "Perceiver") return { input: {}, notes: ["crops before it resizes, which is not done here"] };
  if (fields.do_resize === false)
    return { input: {}, notes: ["does not resize; pictures are resized to the model's size here"] };
  const size = wantedSize(fields, known);
  if (!size) return { input: {}, notes: [] };
  const { fit, resize } = stretched(size, fields, known);
  const crop = fields.do_center_crop === true ? squareOr(fields.crop_size ?? fields.size) : undefined;
  const input = crop ?? (size.fit === "stretch" || isConvNext(known) ? size.size : (model ?? size.size));
  return {
    input: { ...input, fit, resize, cropRounding: "down", ...((crop || fit === "letterbox") && { fill: [0] }) },
    notes:
      size.fit === "crop" && !crop && !isConvNext(known)
        ? ["resizes the shorter side and cuts nothing off; the middle of the picture is taken here"]
        : [],
  };
}

const isConvNext = (known: string | undefined): boolean => known === "ConvNext";

/** A number stands for a square or for the shorter side, as each processor has it. */
function wantedSize(fields: Fields, known: string | undefined): { fit: Fit; size: Size } | undefined {
  const { size } = fields;
  const both = sizeOf(typeof size === "number" ? undefined : size);
  if (both.width && both.height) return { fit: "stretch", size: { width: both.width, height: both.height } };
  const { shortest_edge: shortest, longest_edge: longest, max_height, max_width } = fieldsOf(size);
  const square = (side: number): Size => ({ width: side, height: side });
  if (sideOf(shortest)) return { fit: "crop", size: square(sideOf(shortest)!) };
  if (sideOf(longest)) return { fit: "letterbox", size: square(sideOf(longest)!) };
  if (sideOf(max_height) && sideOf(max_width))
    return { fit: "letterbox", size: { width: sideOf(max_width)!, height: sideOf(max_height)! } };
  const side = sideOf(size);
  if (!side) return undefined;
  const toSquare = fields.default_to_square ?? (known === undefined || PROCESSORS[known]!.default_to_square !== false);
  return { fit: toSquare ? "stretch" : "crop", size: square(side) };
}

/** The resize alone, with what some processors make of its size. */
function stretched({ fit, size }: { fit: Fit; size: Size }, fields: Fields, known: string | undefined) {
  const times = (by: number): Size => ({ width: Math.floor(size.width * by), height: Math.floor(size.height * by) });
  const share = numberOf(fields.crop_pct);
  if (isConvNext(known)) {
    if (size.height >= 384) return { fit: "stretch" as const, resize: size };
    return { fit: "crop" as const, resize: over(size, share ?? 224 / 256) };
  }
  if (known === "Levit" && fit === "crop") return { fit, resize: times(256 / 224) };
  if (known === "PoolFormer" && share) return { fit, resize: over(size, share) };
  return { fit, resize: size };
}

const over = ({ width, height }: Size, share: number): Size =>
  share > 0 && share <= 1
    ? { width: Math.floor(width / share), height: Math.floor(height / share) }
    : { width, height };

function squareOr(value: unknown): Size | undefined {
  const { width, height } = sizeOf(value);
  return width && height ? { width, height } : undefined;
}
