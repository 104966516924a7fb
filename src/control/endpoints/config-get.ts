import { z } from "zod";
import { resolvedData } from "../../config/resolved.js";
import { json } from "./json.js";

export const configReply = z.strictObject({
  config: z.record(z.string(), z.unknown()).describe("The whole configuration with its defaults, secrets masked"),
});

export const configGet = json({
  name: "config-get",
  subject: "config.get",
  group: "config",
  description: "The configuration as it is now",
  answerOnly: true,
  request: z.strictObject({}),
  reply: configReply,
  answer: (control) => ({ config: resolvedData(control.config()) as Record<string, unknown> }),
});
