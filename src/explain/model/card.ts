import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { excess, keysGivenTwice } from "../../bounded-yaml.js";
import { ModelError } from "../../errors.js";
import { FITS } from "../../fit.js";
import { truncate } from "../../truncate.js";
import { find } from "../../yaml-locate.js";
import { syntaxText } from "../../yaml-syntax.js";

const perChannel = z
  .union([z.number(), z.array(z.number()).min(1).max(3)], {
    error: "must be a number, or a list of one number a channel, 3 at most",
  })
  .transform((v) => (typeof v === "number" ? [v] : v));

/**
 * A model's card, `model.yaml` beside the model file. `mean` and `std` are in units of 0..255 pixels unless `units` says
 * 0..1: input = (v − mean) / std.
 */
export const cardSchema = z.strictObject({
  name: z.string().min(1).optional(),
  source: z.string().optional(),
  licence: z.string().optional(),
  description: z.string().optional(),
  model: z.string().min(1).optional().describe("File name of the model; default model.onnx"),
  output: z.string().min(1).optional().describe("Name of the output with the scores, where the file has several"),
  activation: z
    .enum(["softmax", "sigmoid"])
    .optional()
    .describe(
      "What makes probabilities of scores that the file gives as they are: softmax where one class is right (the default), sigmoid where several may be",
    ),
  labels: z
    .union([z.string().min(1), z.array(z.string()).min(1), z.record(z.string(), z.string())], {
      error: "must be the name of a file, a list of labels, or a map from the numbers of the classes to their labels",
    })
    .optional()
    .describe("File with one label a line, or the labels themselves"),
  input: z
    .strictObject({
      width: z.number().int().positive().optional(),
      height: z.number().int().positive().optional(),
      channels: z.number().int().positive().max(1024).optional(),
      mean: perChannel.optional(),
      std: perChannel.refine((v) => v.every((s) => s > 0), "must be greater than 0").optional(),
      units: z
        .enum(["0..255", "0..1"])
        .optional()
        .describe("Of a pixel that mean and std are meant for; default 0..255"),
      channelOrder: z.enum(["RGB", "BGR"]).default("RGB"),
      layout: z.enum(["NCHW", "NHWC"]).optional(),
      fit: z.enum(FITS).default("stretch"),
    })
    .prefault({}),
});

export type ModelCard = z.infer<typeof cardSchema>;

/** Parses a card. @throws ModelError that names the first fault with its line and column. */
export function parseCard(text: string, fileName: string): ModelCard {
  const refuse = (at: string, how: string, cause?: unknown): never => {
    throw new ModelError("model-card", `${at}: ${how}`, { cause });
  };
  const more = excess(text);
  if (more !== undefined) refuse(fileName, `the model card has ${more}; a card is a short YAML file`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const place = (offset: number | undefined) => {
    const at = offset === undefined ? undefined : lines.linePos(offset);
    return at ? `${fileName}:${at.line}:${at.col}` : fileName;
  };
  const broken = document.errors[0];
  if (broken) refuse(place(broken.pos[0]), `the model card is not valid YAML: ${syntaxText(broken)}`);
  labelsAsText(document);
  const [twice] = keysGivenTwice(document);
  if (twice) refuse(place(twice.offset), `the model card gives ${truncate(twice.name, 60)} twice; keep one`);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 20 }) ?? {};
  } catch (cause) {
    refuse(fileName, "the model card repeats itself by too many aliases; write it out", cause);
  }
  const parsed = cardSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : [...issue.path];
  const { pair } = find(document, path);
  const key = pair?.key.range?.[0];
  const what = issue.code === "unrecognized_keys" ? "is not a known key of a model card" : sentenceOf(issue);
  const how = issue.code === "unrecognized_keys" ? what : `is wrong: ${what}`;
  return refuse(place(key), `${path.join(".") || "the card"} ${how}`);
}

/** Labels that YAML takes for numbers or truth values are meant as they are written. */
function labelsAsText(document: Document): void {
  const labels = isMap(document.contents) ? document.contents.get("labels", true) : undefined;
  const nodes: unknown[] = isSeq(labels) ? labels.items : isMap(labels) ? labels.items.map((pair) => pair.value) : [];
  for (const node of nodes)
    if (isScalar(node) && (typeof node.value === "number" || typeof node.value === "boolean"))
      node.value = node.source ?? String(node.value);
}

const TYPES: Record<string, string> = {
  object: "a map",
  record: "a map",
  array: "a list",
  string: "text",
  int: "a whole number",
};

/** A fault in plain words. */
function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `must be ${TYPES[issue.expected] ?? `a ${issue.expected}`}`;
  if (issue.code === "invalid_value") return `must be ${issue.values.map(String).join(" or ")}`;
  if (issue.code === "too_small" && issue.minimum === 0) return "must be greater than 0";
  return issue.message.replace(/^./, (c) => c.toLowerCase());
}
