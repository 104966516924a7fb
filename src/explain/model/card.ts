import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { excess, keysGivenTwice } from "../../bounded-yaml.js";
import { ModelError } from "../../errors.js";
import { shortened } from "../../shortened.js";

const perChannel = z
  .union([z.number(), z.array(z.number()).min(1).max(3)])
  .transform((v) => (typeof v === "number" ? [v] : v));

/** A model's card, `model.yaml` beside the model file. `mean` and `std` are in units of 0..255 pixels: input = (v − mean) / std. */
export const cardSchema = z.strictObject({
  name: z.string().min(1).optional(),
  source: z.string().optional(),
  licence: z.string().optional(),
  description: z.string().optional(),
  model: z.string().min(1).optional().describe("File name of the model; default model.onnx"),
  labels: z
    .union([z.string().min(1), z.array(z.string()).min(1)])
    .optional()
    .describe("File with one label a line, or the labels themselves"),
  input: z
    .strictObject({
      width: z.number().int().positive().optional(),
      height: z.number().int().positive().optional(),
      mean: perChannel.optional(),
      std: perChannel.refine((v) => v.every((s) => s > 0), "must be greater than 0").optional(),
      channelOrder: z.enum(["RGB", "BGR"]).default("RGB"),
      layout: z.enum(["NCHW", "NHWC"]).optional(),
      fit: z.enum(["stretch", "crop", "letterbox"]).default("stretch"),
    })
    .prefault({}),
});

export type ModelCard = z.infer<typeof cardSchema>;

/** Parses a card. @throws ModelError that names the first fault with its line and column. */
export function parseCard(text: string, fileName: string): ModelCard {
  const more = excess(text);
  if (more !== undefined)
    throw new ModelError("model-card", `${fileName}: the model card has ${more}; a card is a short YAML file.`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  const place = (offset: number | undefined) => {
    const at = offset === undefined ? undefined : lines.linePos(offset);
    return at ? `${fileName}:${at.line}:${at.col}` : fileName;
  };
  const broken = document.errors[0];
  if (broken)
    throw new ModelError(
      "model-card",
      `${place(broken.pos[0])}: the model card is not valid YAML: ${broken.message.split("\n")[0]!.replace(/ at line.*$/, "")}.`,
    );
  const [twice] = keysGivenTwice(document);
  if (twice)
    throw new ModelError(
      "model-card",
      `${place(twice.offset)}: the model card gives ${shortened(twice.name, 60)} twice; keep one.`,
    );
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 20 }) ?? {};
  } catch (cause) {
    throw new ModelError(
      "model-card",
      `${fileName}: the model card repeats itself by too many aliases; write it out.`,
      {
        cause,
      },
    );
  }
  const parsed = cardSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : [...issue.path];
  const parent = document.getIn(path.slice(0, -1), true);
  const pair = isMap(parent) ? parent.items.find((p) => String(p.key) === String(path.at(-1))) : undefined;
  const key = pair?.key as { range?: [number, number, number] } | undefined;
  const what =
    issue.code === "unrecognized_keys"
      ? "is not a known key of a model card"
      : issue.message.replace(/^./, (c) => c.toLowerCase());
  throw new ModelError(
    "model-card",
    `${place(key?.range?.[0])}: ${path.join(".") || "the card"} ${issue.code === "unrecognized_keys" ? what : `is wrong: ${what}`}.`,
  );
}
