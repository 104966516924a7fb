import { z } from "zod";
import { CHOICE_REASONS } from "../messages/summary.js";
import type { Path } from "../yaml-locate.js";

const probability = z.number().gt(0).max(1);
const labels = z.array(z.string().min(1)).min(1).max(1000);

/** Reasons to explain a frame, the keys named as `CHOICE_REASONS` are: any one of them is enough. */
export const whenSchema = z.strictObject({
  changed: z
    .boolean()
    .optional()
    .describe("Its decision, the top class, is not that of the last explained frame of its source"),
  below: probability.optional().describe("The probability of its top class is below this"),
  margin: probability.optional().describe("The top class leads the second by less than this, in probability"),
  labels: labels.optional().describe("Its top class is one of these labels of the model"),
  everySeconds: z
    .number()
    .positive()
    .optional()
    .describe("The last explained frame of its source is so many seconds older, by the frames' own time"),
  every: z.number().int().positive().optional().describe("It is each Nth frame of its source"),
});

/** Which frames a sink takes: any one of these is enough. */
export const onlySchema = z
  .strictObject({
    labels: labels.optional().describe("Frames whose top class is one of these labels of the model"),
    below: probability.optional().describe("Frames whose top class has a probability below this"),
    changed: z
      .boolean()
      .optional()
      .describe("Frames whose top class is not that of the frame before, of the same source"),
    explained: z.boolean().optional().describe("Frames that were explained, and not only classified"),
  })
  .optional()
  .describe("Takes these frames alone, any of them, with all that is published of them; default: every frame");

export type When = z.infer<typeof whenSchema>;
export type Only = NonNullable<z.infer<typeof onlySchema>>;

/** A contradiction within a part: where in it, and what is said of that place. */
export interface ChoiceFault {
  path: Path;
  text: string;
}

/** Whether a reason is given at all; `false` is none. */
const saysNothing = (choice: When | Only): boolean =>
  Object.values(choice).every((value) => value === undefined || value === false);

/** What `explain` contradicts by itself, each key being valid; paths begin within `explain`. */
export function explainFaults(explain: { every: number; top: number; when: When | null }): ChoiceFault[] {
  const { every, top, when } = explain;
  if (when === null) return [];
  const faults: ChoiceFault[] = [];
  if (saysNothing(when)) {
    const text = `explain.when chooses no frame; give it one of ${CHOICE_REASONS.join(", ")}`;
    faults.push({ path: ["when"], text });
  }
  if (every > 1) {
    const text = `explain.every ${every} and explain.when exclude each other; write explain.when.every instead`;
    faults.push({ path: ["every"], text });
  }
  if (when.margin !== undefined && top < 2) {
    const text = `explain.when.margin needs the second class, which explain.top ${top} leaves out; make that 2 or more`;
    faults.push({ path: ["when", "margin"], text });
  }
  return faults;
}

/** What a sink's `only` contradicts by itself. */
export const onlyTakesNothing = (only: Only | undefined): boolean => only !== undefined && saysNothing(only);
