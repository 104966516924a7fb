import path from "node:path";
import { stringify } from "yaml";
import type { LoadedModel } from "./load.js";
import { looksLikeOnes } from "./picture.js";

/** Labels beyond which a card is no place for them; where they are read from stays as it is. */
const MAX_LABELS = 2000;

/**
 * The card of a model, with a comment behind each value that says where it came from, so that a user corrects one line.
 * What is not known is left as a comment to fill in.
 * @param cardFile where it will lie: the model and its labels are named from there
 */
export function cardText(model: LoadedModel, cardFile: string): string {
  const { info, card, input, inferred, preprocessing } = model;
  const folder = path.dirname(path.resolve(cardFile));
  const line = (key: string, value: unknown, from: string | undefined): string =>
    `${key}: ${flow(value)}  # ${from === undefined ? "by default" : remark(relative(from, folder))}`;
  const own = (key: keyof typeof inferred.input, value: unknown): string =>
    line(`  ${key}`, value, inferred.input[key]);
  const { resampling, fit, resize, cropRounding, fill } = info;
  const scaling = preprocessing
    ? [
        "  # input = (v - mean) / std for pixels v of 0..255",
        own("mean", short(preprocessing.mean)),
        own("std", short(preprocessing.std)),
      ]
    : [
        "  # not known: input = (v - mean) / std for pixels v of 0..255",
        "  # mean: [123.675, 116.28, 103.53]",
        "  # std: [58.395, 57.12, 57.375]",
      ];
  const { source, licence, description, activation } = card;
  const kept = Object.entries({ source, licence, description }).filter(([, text]) => text !== undefined);
  return `${[
    "# What is known of this model, and where each value comes from; correct what is wrong.",
    `name: ${flow(info.name)}`,
    ...kept.map(([key, text]) => `${key}: ${flow(text)}`),
    `model: ${flow(relative(model.file, folder))}`,
    ...(card.output === undefined ? [] : [`output: ${flow(card.output)}`]),
    ...(activation === undefined ? [] : [`activation: ${activation}`]),
    "input:",
    ...(preprocessing && looksLikeOnes(preprocessing.mean, preprocessing.std) ? ['  units: "0..255"'] : []),
    ...(input.width ? [own("width", info.inputWidth), own("height", info.inputHeight)] : []),
    ...scaling,
    ...(preprocessing?.channels === 1 ? [] : [own("channelOrder", preprocessing?.channelOrder ?? "RGB")]),
    ...(input.layout ? [own("layout", input.layout)] : []),
    `${own("fit", fit)}; stretch, crop or letterbox`,
    ...(resize ? [own("resize", resize.width === resize.height ? resize.width : resize)] : []),
    ...(cropRounding ? [own("cropRounding", cropRounding)] : []),
    own("interpolation", resampling?.interpolation),
    ...(resampling?.antialias === false ? [own("antialias", false)] : []),
    ...(input.fill ? [own("fill", fill)] : []),
    ...labelLines(model, cardFile),
  ].join("\n")}\n`;
}

/** A file that holds nothing but labels is named; those that stand among other things are written out. */
function labelLines({ info, inferred }: LoadedModel, cardFile: string): string[] {
  const folder = path.dirname(path.resolve(cardFile));
  const { labels: from } = inferred;
  if (from === undefined) return ["# labels: labels.txt  # one a line, or a list: [ok, scratch]"];
  const name = relative(from, folder);
  const isPlain =
    /(?:^|\/)[\w.-]+\.(?:txt|csv|tsv)$|(?:indices|labels|names|classes)\.json$/i.test(name) && !name.startsWith("..");
  if (isPlain) return [`labels: ${flow(name)}`];
  // A card that is replaced keeps its own.
  if (info.labels.length > MAX_LABELS && name !== path.basename(cardFile))
    return [`# labels: those of ${remark(name)}`];
  return [`labels:  # ${remark(name)}`, ...info.labels.map((label) => `  - ${flow(label)}`)];
}

const relative = (file: string, folder: string): string => {
  const beside = path.relative(folder, path.resolve(file));
  return beside === "" || file.includes(" (") ? path.basename(file) : beside.split(path.sep).join("/");
};

const short = (values: readonly number[]): number[] => values.map((v) => Number(v.toPrecision(9)));

/** What follows a `#` ends with its line. */
const remark = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");

/** On one line. */
const flow = (value: unknown): string =>
  typeof value === "string" && /[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)
    ? JSON.stringify(value)
    : stringify(value, { collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: false }).trimEnd();
