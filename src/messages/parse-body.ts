import type { z } from "zod";

/** The JSON of a message when it is of the schema; keys that a newer worker adds are no fault. */
export function parseBody<T>(schema: z.ZodType<T>, body: Uint8Array): { value: T } | { fault: string } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return { fault: "it is not JSON" };
  }
  const result = schema.safeParse(json);
  const fault = result.success ? undefined : result.error.issues.find((issue) => issue.code !== "unrecognized_keys");
  return fault ? { fault: `${fault.path.join(".") || "message"}: ${fault.message}` } : { value: json as T };
}
