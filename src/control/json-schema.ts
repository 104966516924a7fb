import { z } from "zod";
import { plain } from "../messages/json-schemas.js";
import { ENDPOINTS } from "./endpoints/registry.js";

const error = z
  .strictObject({ error: z.strictObject({ code: z.int(), message: z.string() }) })
  .describe("Answered instead, with the headers Nats-Service-Error-Code and Nats-Service-Error");

/** JSON Schema (draft 2020-12) of all that is asked of the service and answered: `{name}-request`, `{name}-reply`, `error`. */
export function serviceSchema(): object {
  const $defs: Record<string, object> = {};
  const define = (name: string, schema: z.ZodType, io: "input" | "output"): void => {
    const { $schema, ...plainSchema } = z.toJSONSchema(schema, { io, override: plain });
    $defs[name] = plainSchema;
  };
  for (const { name, request, reply } of ENDPOINTS) {
    if (request) define(`${name}-request`, request, "input");
    define(`${name}-reply`, reply, "output");
  }
  define("error", error, "output");
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:video-explainer:service:1",
    title: "Micro service video-explainer",
    description: "Requests to video-explainer.{station}.… and their answers",
    $defs,
  };
}
