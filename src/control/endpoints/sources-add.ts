import { z } from "zod";
import { sourceSchema } from "../../config/schema.js";
import { statusSchema } from "../../messages/summary.js";
import { json } from "./json.js";

export const sourcesAdd = json({
  name: "sources-add",
  subject: "sources.add",
  group: "sources",
  description: "Opens one more source, which is as it would stand under `sources` in the configuration",
  // What ffmpeg is told may name files to write to: that is for who owns the configuration.
  request: sourceSchema.omit({ inputOptions: true }),
  reply: z.strictObject({ added: statusSchema }),
  answer: async (control, source) => ({ added: await control.addSource({ ...source, inputOptions: [] }) }),
});
