import { z } from "zod";
import { ledgerSchema, statusSchema } from "../../messages/summary.js";
import { json } from "./json.js";
import { truncateStatuses } from "./truncate-statuses.js";

export const sourcesList = json({
  name: "sources-list",
  subject: "sources.list",
  group: "sources",
  description: "Every source with its state and ledger, and the ledger of the whole station",
  answerOnly: true,
  request: z.strictObject({}),
  reply: z.strictObject({
    sources: z.array(statusSchema),
    total: ledgerSchema.describe("Frames of all sources since the start, removed ones included"),
  }),
  answer: (control, _request, maxBytes) => {
    const { sources, total } = control.sources();
    return { sources: truncateStatuses(sources, maxBytes), total };
  },
});
