import { z } from "zod";
import { sourceSchema } from "../../config/schema.js";
import { statusSchema } from "../../messages/summary.js";
import { json } from "./json.js";
import { truncateStatuses } from "./truncate-statuses.js";

export const sourcesRemove = json({
  name: "sources-remove",
  subject: "sources.remove",
  group: "sources",
  description: "Ends a source; answered when its last frame is accounted for",
  request: sourceSchema.pick({ name: true }),
  reply: z.strictObject({ removed: statusSchema.describe("As it was at its end") }),
  answer: async (control, { name }, maxBytes) => {
    const [removed] = truncateStatuses([await control.removeSource(name)], maxBytes);
    return { removed: removed! };
  },
});
