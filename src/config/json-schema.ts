import { z } from "zod";
import { plain } from "../messages/json-schemas.js";
import { configSchema } from "./schema.js";

/** The JSON Schema (draft 2020-12) of a configuration, which lies in `config/`. */
export const configJsonSchema = (): object => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "urn:video-explainer:configuration",
  title: "Configuration of video-explainer",
  ...z.toJSONSchema(configSchema, { io: "input", override: plain }),
});
