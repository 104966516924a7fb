import { resolvedData } from "../../config/resolved.js";
import { changesSchema } from "../changes.js";
import { configReply } from "./config-get.js";
import { json } from "./json.js";

export const configSet = json({
  name: "config-set",
  subject: "config.set",
  group: "config",
  description: "Changes `explain` and `overlay` until the next start; answered when the change is in force",
  request: changesSchema,
  reply: configReply,
  answer: async (control, changes) => ({
    config: resolvedData(await control.change(changes)) as Record<string, unknown>,
  }),
});
