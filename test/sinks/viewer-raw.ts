import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { until } from "../support/sinks.js";

/** One end of a TCP connection to the page, for clients that keep no rules. */
export interface RawClient {
  socket: Socket;
  /** All that came, one byte a character. */
  readonly text: string;
  /** Milliseconds from the start to the end of the connection. */
  readonly lasted: number | undefined;
}

/** Connects. When the server ends its side this one stays open and goes on to write, until the server is gone altogether. */
export async function rawClient(url: string, more: { localAddress?: string } = {}): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, ...more });
  let text = "";
  let lasted: number | undefined;
  const from = performance.now();
  socket.on("data", (data) => {
    text += data.toString("latin1");
  });
  let nudge: NodeJS.Timeout | undefined;
  socket.on("end", () => {
    nudge = setInterval(() => socket.write("x"), 50);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    clearInterval(nudge);
    lasted = performance.now() - from;
  });
  await until("the connection", () => !socket.connecting);
  return {
    socket,
    get text() {
      return text;
    },
    get lasted() {
      return lasted;
    },
  };
}

const UPGRADE = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
};

/** The lines of a request to upgrade. */
export const upgradeRequest = (url: string, path = "/live", more: Record<string, string> = {}): string => {
  const headers = Object.entries({ Host: new URL(url).host, ...UPGRADE, ...more }).map(([k, v]) => `${k}: ${v}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${headers.join("")}\r\n`;
};

/** A short text message of a websocket client, masked with zeros. */
export const masked = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0x81, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]), Buffer.from(text)]);
