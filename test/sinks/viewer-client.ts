import { WebSocket } from "ws";
import type { PictureHeader, ServerMessage, SourceNews } from "../../src/sinks/viewer/protocol.js";
import { until } from "../support/sinks.js";

export interface Received extends PictureHeader {
  original: Buffer;
  heatmap: Buffer;
  overlay: Buffer;
}

/** Takes a picture message apart as the page does. */
export function decodePicture(message: Buffer): Received {
  const length = message.readUInt32LE(0);
  const header = JSON.parse(message.subarray(4, 4 + length).toString()) as PictureHeader;
  let at = 4 + length;
  const part = (bytes: number) => {
    at += bytes;
    return message.subarray(at - bytes, at);
  };
  const { original, heatmap, overlay } = header.bytes;
  return { ...header, original: part(original), heatmap: part(heatmap), overlay: part(overlay) };
}

/** A browser's end of the wire without a browser. It acknowledges pictures only while `acknowledges` is true. */
export async function connectClient(url: string, acknowledges: boolean, headers: Record<string, string> = {}) {
  const socket = new WebSocket(new URL("live", url.replace("http", "ws")), { headers });
  const pictures: Received[] = [];
  const messages: ServerMessage[] = [];
  let closed: { code: number; reason: string } | undefined;
  let refused: string | undefined;
  const client = {
    socket,
    pictures,
    messages,
    acknowledges,
    get closed() {
      return closed;
    },
    get refused() {
      return refused;
    },
    acknowledge: (picture: PictureHeader) =>
      socket.send(JSON.stringify({ type: "ack", key: picture.key, id: picture.id })),
    watch: (keys: string[] | null) => socket.send(JSON.stringify({ type: "watch", keys })),
    /** Everything told of one source, the snapshot first. */
    news: (key: string): SourceNews[] =>
      messages.flatMap((m) => ("sources" in m ? m.sources.filter((s) => s.key === key) : [])),
    rows: (key: string) => client.news(key).flatMap((news) => news.rows),
  };
  socket.on("message", (data: Buffer, isBinary) => {
    if (!isBinary) {
      messages.push(JSON.parse(data.toString()));
      return;
    }
    const picture = decodePicture(data);
    pictures.push(picture);
    if (client.acknowledges) client.acknowledge(picture);
  });
  socket.on("close", (code, reason) => {
    closed = { code, reason: reason.toString() };
  });
  socket.on("unexpected-response", (_request, response) => {
    refused = `${response.statusCode}`;
    response.on("data", (text: Buffer) => {
      refused += ` ${text.toString().trim()}`;
    });
    response.on("end", () => socket.terminate());
  });
  socket.on("error", () => undefined);
  await until(
    "the websocket to answer",
    () => closed !== undefined || messages.length > 0 || socket.readyState === WebSocket.CLOSED,
  );
  return client;
}
