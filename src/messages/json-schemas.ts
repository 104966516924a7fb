import { z } from "zod";
import { statusSchema, summarySchema } from "./summary.js";

/** The JSON Schemas (draft 2020-12) of what is published, as they lie in `config/`, by file name. */
export function jsonSchemas(): Record<string, object> {
  return {
    "explanation-summary.schema.json": {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "urn:video-explainer:explanation-summary:1",
      title: "explanation-summary/1",
      description: "What is published for every frame. Regions and centroid are in frame pixels.",
      ...z.toJSONSchema(summarySchema, { io: "output", override: plain }),
    },
    "source-status.schema.json": {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "urn:video-explainer:source-status:1",
      title: "source-status/1",
      description: "Published when the state of a source changes, and every 10 s.",
      ...z.toJSONSchema(statusSchema, { io: "output", override: plain }),
    },
  };
}

/** Validators without format support refuse `format`, so times are held to their pattern alone. */
export function plain({ jsonSchema }: { jsonSchema: { format?: string; description?: string } }): void {
  if (jsonSchema.format !== "date-time") return;
  delete jsonSchema.format;
  jsonSchema.description ??= "ISO 8601, UTC";
}

/** A schema as it is written into its file. */
export const schemaText = (schema: object): string => `${JSON.stringify(schema, null, 2)}\n`;
