import { z } from "zod";
import { ledgerSchema, statusSchema, summarySchema } from "../messages/summary.js";

const picture = z.object({ data: z.string() });

/** What the service answers, as far as a client reads it: config/service.schema.json has all of it. */
export const explainReply = z.object({ summary: summarySchema, overlay: picture, heatmap: picture });
export const sourcesReply = z.object({ sources: z.array(statusSchema), total: ledgerSchema });
export const sourceAddedReply = z.object({ added: statusSchema });
export const sourceRemovedReply = z.object({ removed: statusSchema });
export const configReply = z.object({ config: z.record(z.string(), z.unknown()) });
