import { Document, LineCounter } from "yaml";
import type { z } from "zod";
import { InputError } from "../errors.js";
import { schemaFaults } from "./schema-faults.js";

/** A request of this size is none that anybody would write. */
const MAX_BYTES = 16 * 1024;
/** More faults than these are counted, not listed. */
const MAX_FAULTS = 10;
/** Beyond so many characters no further fault is listed. */
const MAX_TEXT = 1200;

const requestError = (message: string): InputError => new InputError("request", message);

/**
 * Reads the JSON of a request; an empty one counts as `{}`. Unlike a configuration it knows no variables: the worker's
 * environment is none of the asker's business. Throws an `InputError` that names every fault.
 */
export function readRequest<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  if (body.byteLength > MAX_BYTES) throw requestError(`the request is larger than ${MAX_BYTES / 1024} KiB; send less`);
  try {
    return checked(schema, parsed(body), "the request");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw requestError("the request is nested too deeply; send one flat JSON object");
  }
}

/** Data that a schema takes, with its defaults. Throws an `InputError` of one sentence that names what is wrong; `called`: how it names the whole. */
export function checked<Schema extends z.ZodType>(schema: Schema, data: unknown, called: string): z.output<Schema> {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const none = { written: new Map(), broken: new Set<never>() };
  // A request is one short object: its faults are named by path, without line and column.
  const reading = { schema, called, document: new Document({}), lines: new LineCounter(), data, ...none };
  const faults = schemaFaults(result.error.issues, reading, MAX_FAULTS + 1).map((fault) => fault.text);
  const listed = faults.slice(0, MAX_FAULTS);
  while (listed.length > 1 && listed.join("; ").length > MAX_TEXT) listed.pop();
  throw requestError([...listed, ...(listed.length < faults.length ? ["and more"] : [])].join("; "));
}

function parsed(body: Uint8Array): unknown {
  if (body.byteLength === 0) return {};
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw requestError("the request is not UTF-8 text; send a JSON object");
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw requestError("the request is not JSON; send a JSON object");
  }
}
