import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** Headers of every answer, those to broken requests included. */
export const HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
  "Cache-Control": "no-cache",
};

export const TEXT = { "Content-Type": "text/plain; charset=utf-8" };

/** So long for the other side to take an answer and end the connection too. */
export const PARTING_MS = 1_000;

/** Answers where Node.js has no response to write to, and ends the connection, whether or not the other side does. */
export function refuseSocket(socket: Duplex, status: number, text: string, more: Record<string, string> = {}): void {
  // It has been answered, and what still comes is as broken.
  if (socket.writableEnded) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${text}\n`;
  const length = `${Buffer.byteLength(body)}`;
  const headers = { ...HEADERS, ...TEXT, "Content-Length": length, Connection: "close", ...more };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
  const parting = setTimeout(() => socket.destroy(), PARTING_MS);
  socket.once("close", () => clearTimeout(parting));
  // What still comes is not kept.
  socket.resume();
}
