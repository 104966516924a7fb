import { z } from "zod";
import { VideoExplainerError } from "../../errors.js";
import { summarySchema } from "../../messages/summary.js";
import { shrinkJpeg } from "../../sinks/shrink.js";
import type { Endpoint } from "./endpoint.js";

const picture = (type: string) => z.strictObject({ contentType: z.literal(type), data: z.string().describe("Base64") });

/** Beside the pictures: names, quotes, braces. */
const ENVELOPE_BYTES = 256;
const base64Bytes = (bytes: number): number => 4 * Math.ceil(bytes / 3);

export const explain: Endpoint = {
  name: "explain",
  subject: "explain",
  group: "explain",
  description: "Explains one picture: its bytes in (JPEG, PNG, WebP …), summary, overlay and heatmap out",
  answerOnly: true,
  request: null,
  reply: z.strictObject({
    summary: summarySchema,
    overlay: picture("image/jpeg").describe(
      "The picture with its heat; made smaller when the answer would be too large",
    ),
    heatmap: picture("image/png").describe("8-bit grey at the model's resolution, 128 = zero"),
  }),
  async handle(control, body, maxBytes) {
    const { summary, overlay, heatmap } = await control.explain(body);
    const rest = Buffer.byteLength(JSON.stringify(summary)) + base64Bytes(heatmap.length) + ENVELOPE_BYTES;
    const room = Math.floor(((maxBytes - rest) * 3) / 4) - 3;
    const fitting = overlay.length <= room ? overlay : await shrinkJpeg(overlay, room);
    if (!fitting) throw tooLarge(overlay.length, room);
    const encoded = (contentType: string, bytes: Uint8Array) => ({
      contentType,
      data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64"),
    });
    return { summary, overlay: encoded("image/jpeg", fitting), heatmap: encoded("image/png", heatmap) };
  },
};

const tooLarge = (bytes: number, room: number): VideoExplainerError =>
  new VideoExplainerError(
    "too-large",
    `the overlay has ${bytes} bytes and does not fit into the ${Math.max(0, room)} that the NATS server's max_payload leaves; raise that limit`,
  );
