import type { z } from "zod";
import { readRequest } from "../../config/request.js";
import type { Control } from "../control.js";
import type { Endpoint } from "./endpoint.js";

interface JsonEndpoint<T, R> extends Omit<Endpoint, "handle" | "request" | "reply"> {
  readonly request: z.ZodType<T>;
  readonly reply: z.ZodType<R>;
  /** `maxBytes`: of the answer. */
  answer(control: Control, request: T, maxBytes: number): Promise<R> | R;
}

/** An endpoint whose request is JSON, checked against its schema before it is answered. */
export const json = <T, R>({ answer, ...endpoint }: JsonEndpoint<T, R>): Endpoint => ({
  ...endpoint,
  handle: async (control, body, maxBytes) => answer(control, readRequest(endpoint.request, body), maxBytes),
});
