import type { z } from "zod";
import type { SERVICES } from "../../config/schema.js";
import type { Control } from "../control.js";

/** One kind of request. Its subject is `video-explainer.{station}.{subject}`. */
export interface Endpoint {
  /** In the service's own description (`$SRV.INFO`). */
  readonly name: string;
  readonly subject: string;
  /** What of the `service` configuration lets it be answered. */
  readonly group: (typeof SERVICES)[number];
  readonly description: string;
  /** The answer is all that comes of it: who gives no reply subject is not worked for. */
  readonly answerOnly?: boolean;
  /** Of the JSON that is sent; null where it is the bytes of a picture. */
  readonly request: z.ZodType | null;
  /** Of the JSON that is answered. */
  readonly reply: z.ZodType;
  /** Resolves to what is answered; throws a `VideoExplainerError` of one sentence. `maxBytes`: of the answer. */
  handle(control: Control, body: Uint8Array, maxBytes: number): Promise<unknown>;
}
