import { z } from "zod";

export const SOURCE_STATES = ["connecting", "live", "stalled", "frozen", "ended", "failed"] as const;
export type SourceStateName = (typeof SOURCE_STATES)[number];

/** Why an explanation, or the decision, may not be worth its face: see `warnings` of the configuration. */
export const WARNINGS = ["no-relevance", "border", "few-pixels", "outside", "drift"] as const;
export type Warning = (typeof WARNINGS)[number];

/** Why `explain.when` chooses a frame, by its keys. */
export const CHOICE_REASONS = ["changed", "below", "margin", "labels", "everySeconds", "every"] as const;
export type ChoiceReason = (typeof CHOICE_REASONS)[number];

const score = z.strictObject({ index: z.int().min(0), label: z.string(), probability: z.number().min(0).max(1) });
const rect = { x: z.number(), y: z.number(), width: z.number(), height: z.number() };

/** Schema `explanation-summary/1`: what is published for every frame. Regions and centroid are in frame pixels. */
export const summarySchema = z.strictObject({
  schema: z.literal("explanation-summary/1"),
  id: z.string(),
  station: z.string(),
  source: z.string(),
  sequence: z.int().min(0),
  capturedAt: z.iso.datetime(),
  publishedAt: z.iso.datetime(),
  pts: z.number().describe("Seconds, of the stream's own clock"),
  frame: z.strictObject({ width: z.int().positive(), height: z.int().positive() }),
  model: z.strictObject({ name: z.string(), sha256: z.string(), engine: z.string() }),
  classification: z.strictObject({
    top: z.array(score).min(1),
    target: z.strictObject({ ...score.shape, logit: z.number() }),
  }),
  why: z
    .array(z.enum(CHOICE_REASONS))
    .min(1)
    .optional()
    .describe("What explain.when chose this frame for; only of frames that it chose"),
  relevance: z
    .strictObject({
      method: z.string(),
      positive: z.number().describe("Sum of positive shares, 0..1"),
      negative: z.number().describe("Sum of negative shares, -1..0"),
      concentration: z.number().describe("Share of |R| held by the most relevant 10 % of pixels"),
      peakShare: z
        .number()
        .optional()
        .describe("Share of |R| held by the most relevant half percent of pixels, after the blur"),
      border: z
        .number()
        .optional()
        .describe("Share of |R| at the border of the model's input; 0.14 where it is the same everywhere"),
      inside: z.number().optional().describe("Share of |R| in the source's `interest`, where it has one"),
      centroid: z.tuple([z.number(), z.number()]),
      scale: z.number().describe("Share per pixel at the ends of the colour scale"),
      grid: z.strictObject({ rows: z.int().positive(), columns: z.int().positive(), values: z.array(z.number()) }),
      regions: z.array(z.strictObject({ ...rect, share: z.number() })).max(5),
    })
    .nullable(),
  truth: z
    .strictObject({
      label: z.string().describe("What the frame shows, as the source's `truth` says"),
      right: z.boolean().describe("The top class is that"),
      insideMask: z.number().optional().describe("Share of |R| within the mask of what it shows, where that is known"),
      maskArea: z.number().optional().describe("What insideMask would be if |R| were the same everywhere"),
    })
    .optional()
    .describe("Only of frames that the source's `truth` knows"),
  warnings: z.array(z.enum(WARNINGS)).optional().describe("What to beware of when the explanation is read"),
  timing: z.strictObject({
    queueMs: z.number(),
    explainMs: z.number(),
    overlayMs: z.number(),
    totalMs: z.number(),
    batchSize: z.int().positive(),
  }),
});

/** `captured = explained + classified + Σ dropped + inFlight + queued`, exactly. */
export const ledgerSchema = z.strictObject({
  captured: z.int().min(0),
  explained: z.int().min(0),
  classified: z.int().min(0),
  dropped: z.record(z.string(), z.int().min(0)),
  inFlight: z.int().min(0),
  queued: z
    .int()
    .min(0)
    .optional()
    .describe("Frames given out to explain workers and not yet back, where there are such"),
});

/** Schema `source-status/1`: published when a source's state changes, and every 10 s. */
export const statusSchema = z.strictObject({
  schema: z.literal("source-status/1"),
  station: z.string(),
  source: z.string(),
  time: z.iso.datetime(),
  state: z.enum(SOURCE_STATES),
  reason: z.string().nullable(),
  since: z.iso.datetime(),
  restarts: z.int().min(0),
  lastFrameAt: z.iso.datetime().nullable(),
  ledger: ledgerSchema,
  ffmpeg: z.array(z.string()).describe("ffmpeg's last words, credentials masked"),
});

export type Summary = z.infer<typeof summarySchema>;
export type SourceStatus = z.infer<typeof statusSchema>;
