import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { hiddenInput } from "../../src/ffmpeg/hidden-address.js";
import { childrenOf } from "../e2e/worker.js";
import { open, until } from "../pipeline/helpers.js";
import { listening, portOf, silent } from "../pipeline/senders.js";

const V5 = { major: 5, minor: 1 };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("an RTSP address and its options become a list, whose whitelists let the list itself in", () => {
  const options = ["-rtsp_transport", "tcp", "-fpsprobesize", "0", "-protocol_whitelist", "rtsp,tcp"];
  expect(hiddenInput("rtsp://u:it's@cam/1", options, V5)).toEqual({
    address: "pipe:0",
    stdin: "ffconcat version 1.0\nfile 'rtsp://u:it'\\''s@cam/1'\noption rtsp_transport tcp\noption fpsprobesize 0\n",
    inputOptions: "-f concat -safe 0 -protocol_whitelist pipe,fd,rtsp,tcp -fpsprobesize 0".split(" "),
  });
});

test.each([
  ["another kind", "http://u:pw@cam/1", V5],
  ["an address that would begin a line of its own", "rtsp://u:pw@cam/1\nfile 'x'", V5],
  ["an older ffmpeg", "rtsp://u:pw@cam/1", { major: 4, minor: 4 }],
])("%s has no such way", (_name, url, version) => {
  expect(hiddenInput(url, [], version)).toBeUndefined();
});

/** Arguments of all that this process has started. */
const argumentsNow = (): string =>
  childrenOf(process.pid)
    .map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "))
    .filter((words) => words.includes("pipe:0"))
    .join("\n");

test.each([
  ["looked at", "ffprobe", {}],
  ["decoded", "ffmpeg", { width: 64, height: 48 }],
])("the password of an RTSP camera stands in no argument while it is %s", async (_name, program, size) => {
  let asked = "";
  const server = await silent();
  server.on("connection", (socket) => socket.on("data", (text) => (asked += text)));
  cleanups.push(() => server.end());
  const { source } = open({ url: `rtsp://admin:planted-word@127.0.0.1:${portOf(server)}/cam`, ...size });
  cleanups.push(() => source.stop());
  await until(() => asked.includes("OPTIONS rtsp://"), "the camera is asked");
  const words = argumentsNow();
  expect(words).toContain(program);
  expect(words).not.toContain("planted-word");
});

test("that a camera with a password is away, or wants another, is said as of one without", async () => {
  const server = await listening(createServer());
  server.on("connection", (socket) => {
    socket.on("data", (text) => {
      const sequence = /CSeq: (\d+)/.exec(String(text))?.[1];
      const denied = `401 Unauthorized\r\nCSeq: ${sequence}\r\nWWW-Authenticate: Basic realm="cam"`;
      socket.write(`RTSP/1.0 ${String(text).startsWith("DESCRIBE") ? denied : `200 OK\r\nCSeq: ${sequence}`}\r\n\r\n`);
    });
  });
  cleanups.push(() => server.end());
  const camera = `127.0.0.1:${portOf(server)}`;
  const reasonOf = async (url: string): Promise<string> => {
    const { source } = open({ url });
    await until(() => source.status().state === "failed", "it has failed");
    const { reason } = source.status();
    await source.stop();
    return reason!.replace(/rtsp:\/\/(?:\*\*\*@)?/g, "rtsp://");
  };
  const denied = await reasonOf(`rtsp://admin:planted-word@${camera}/cam`);
  expect(denied).toBe(await reasonOf(`rtsp://${camera}/cam`));
  expect(denied).toMatch(/401 Unauthorized/);
  const away = await reasonOf("rtsp://admin:planted-word@127.0.0.1:9/cam");
  expect(away).toBe(await reasonOf("rtsp://127.0.0.1:9/cam"));
  expect(away).toMatch(/Connection refused$/);
});
