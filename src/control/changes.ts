import { z } from "zod";
import { configSchema } from "../config/schema.js";

type Defaulted<S extends z.ZodRawShape> = {
  [K in keyof S]: S[K] extends z.ZodDefault<infer T> ? z.ZodOptional<T> : S[K];
};

/** The same keys, none of them with a default: what is not given stays as it is. */
function changesOf<S extends z.ZodRawShape>(wrapped: z.ZodPrefault<z.ZodObject<S>>) {
  const { shape } = wrapped.unwrap();
  const bare = Object.entries(shape).map(([key, schema]) => [key, withoutDefault(schema as z.ZodType).optional()]);
  return z.strictObject(Object.fromEntries(bare) as Defaulted<S>).partial();
}

function withoutDefault(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return withoutDefault(schema.unwrap() as z.ZodType);
  if (!(schema instanceof z.ZodObject)) return schema;
  const inner = Object.entries(schema.shape as z.ZodRawShape);
  return z.strictObject(Object.fromEntries(inner.map(([key, s]) => [key, withoutDefault(s as z.ZodType).optional()])));
}

/** What of a configuration can be changed while it runs. */
export const changesSchema = z.strictObject({
  explain: changesOf(configSchema.shape.explain).optional().describe("Method, target, every and the rest of explain"),
  overlay: changesOf(configSchema.shape.overlay).optional().describe("How overlays are drawn"),
});

export type Changes = z.infer<typeof changesSchema>;
