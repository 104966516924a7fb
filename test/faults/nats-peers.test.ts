import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { natsSinkSchema } from "../../src/config/schema.js";
import type { Control } from "../../src/control/control.js";
import { serveOn } from "../../src/control/nats-service.js";
import { RateLimitedLog } from "../../src/rate-limited-log.js";
import { createNatsSink } from "../../src/sinks/nats/index.js";
import { MAIN } from "../cli/run-cli.js";
import { message, outcome, recordingContext, until } from "../support/sinks.js";

/*
 * What answers on the port of a NATS server may be anything. By hand: FUZZ_RUNS=5000 FUZZ_SEED=7 npx vitest run
 * test/faults/nats-peers.test.ts
 */
const RUNS = Number(process.env.FUZZ_RUNS ?? 80);
const SEED = Number(process.env.FUZZ_SEED ?? 13);
const AT_ONCE = 40;
const SECRET = "geheim-99";

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
const { log } = console;
beforeAll(() => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  // The client's own stacks: of the program that is the next test.
  console.log = () => undefined;
});
afterAll(() => {
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  console.log = log;
});

interface Script {
  greeting: string;
  /** What it says to each PING, which a client that is content with the greeting sends. */
  pong: string;
  /** Said once the client has subscribed; `SID` and `SECRET` are filled in. */
  frames: string[];
  /** It goes on when the client has ended. */
  deaf: boolean;
}

const info = { server_id: "A", version: "2.10.0", go: "go", host: "127.0.0.1", port: 4222, headers: true, proto: 1 };
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, "", "x", "1", 0, -1, 1.5, 1e300, true, [], {}, [[]], ["a:b:c"], [null], [7], "::1", {
    length: 3,
  }),
  fc.string(),
  fc.array(fc.string(), { maxLength: 3 }),
);
const KEYS = [
  ...["version", "max_payload", "connect_urls", "headers", "nonce", "auth_required", "tls_required", "tls_available"],
  ...["ldm", "proto", "host", "port", "jetstream", "client_id", "client_ip", "cluster", "ws_connect_urls"],
];
const greeting = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .dictionary(fc.constantFrom(...KEYS), odd, { maxKeys: 2 })
      .map((changes) => `INFO ${JSON.stringify({ ...info, max_payload: 1048576, ...changes })}\r\n`),
  },
  { weight: 2, arbitrary: fc.constant(`INFO ${JSON.stringify({ ...info, max_payload: 1048576 })}\r\n`) },
  fc.constantFrom(
    ...["", "\r\n", "INFO\r\n", "INFO {\r\n", "INFO []\r\n", "INFO null\r\n", "INFO 7\r\n", "PING\r\n", "+OK\r\n"],
    ...["SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "-ERR 'Authorization Violation'\r\n"],
    ...["-ERR 'SECRET'\r\n", "-ERR\r\n", `INFO ${"a".repeat(300_000)}`, "INFO {}\r\n", "\u0000\u0001\u00ff"],
  ),
);
const frame = fc.oneof(
  fc.constantFrom(
    ...[
      "PING\r\n",
      "PONG\r\n",
      "PONG\r\nPONG\r\nPONG\r\n",
      "+OK\r\n",
      "-ERR 'SECRET'\r\n",
      "-ERR 'Stale Connection'\r\n",
    ],
    ...[
      "-ERR 'Permissions Violation for Publish to \"explain.line-3.belt.summary\"'\r\n",
      "-ERR\r\n",
      "XYZ\r\n",
      "\r\n",
    ],
    ...["INFO {\r\n", "INFO null\r\n", 'INFO {"max_payload":0}\r\n', 'INFO {"ldm":true}\r\n', "INFO 7\r\n"],
    ...["MSG a SID 99999999999\r\n", "MSG a SID -1\r\n", "MSG a SID x\r\nabc\r\n", "MSG\r\n", "MSG a\r\n"],
    ...["HMSG a SID 9999 3\r\nabc\r\n", "HMSG a SID 12 12\r\nNATS/1.0\r\n\r\n\r\n", "HMSG a SID 3 5\r\nxyzab\r\n"],
    ...["HMSG a SID _INBOX.x 10 12\r\nNATS/9 abc{}\r\n", "MSG a SID \u0000 2\r\n{}\r\n"],
  ),
  fc
    .record({
      subject: fc.constantFrom(
        ...["video-explainer.line-3.sources.list", "video-explainer.line-3.explain", "$SRV.PING", "$SRV.STATS", "x"],
      ),
      reply: fc.constantFrom("", "_INBOX.a.b ", "$JS.API.STREAM.PURGE.x ", "explain.line-3.belt.summary ", "> "),
      body: fc.oneof(fc.string(), fc.json()),
    })
    .map(({ subject, reply, body }) => `MSG ${subject} SID ${reply}${Buffer.byteLength(body)}\r\n${body}\r\n`),
  fc.string().map((text) => `${text}\r\n`),
);
const script: fc.Arbitrary<Script> = fc.record({
  greeting,
  pong: fc.oneof(
    { weight: 5, arbitrary: fc.constant("PONG\r\n") },
    fc.constantFrom("", "PING\r\n", "+OK\r\n", "XX\r\n"),
  ),
  frames: fc.array(frame, { maxLength: 5 }),
  deaf: fc.boolean(),
});

/** Plays a script to every connection. */
async function play({ greeting, pong, frames, deaf }: Script) {
  const sockets = new Set<Socket>();
  let most = 0;
  const server = createServer({ allowHalfOpen: deaf }, (socket) => {
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    // A client that is gone is noticed when it is written to.
    const ticks = setInterval(() => socket.write("\r\n"), 250);
    socket.on("close", () => clearInterval(ticks));
    socket.write(filled(greeting, "1"));
    let heard = "";
    let isTold = false;
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
      if (/PING\r\n/.test(heard)) socket.write(pong);
      heard = heard.replace(/PING\r\n/g, "");
      const sid = /SUB \S+ (?:\S+ )?(\d+)\r\n/.exec(heard)?.[1];
      if (sid === undefined || isTold) return;
      isTold = true;
      for (const each of frames) socket.write(filled(each, sid));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return {
    url: `nats://127.0.0.1:${port}`,
    sockets,
    most: () => most,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(done));
    },
  };
}

const filled = (text: string, sid: string): string => text.replaceAll("SID", sid).replaceAll("SECRET", SECRET);

const total = { captured: 0, explained: 0, classified: 0, dropped: {}, inFlight: 0 };

async function meet(played: Script, jetstream: boolean): Promise<"connected" | "refused"> {
  const server = await play(played);
  const { context, recorded } = recordingContext();
  const config = { kind: "nats", servers: [server.url], user: "worker", password: SECRET, jetstream };
  const control: Partial<Control> = {
    station: "line-3",
    sources: () => ({ sources: [], total }),
    explain: async () => Promise.reject(new Error("no picture")),
  };
  const settings = natsSinkSchema.parse(config);
  const sink = createNatsSink(settings, {
    ...context,
    onConnection: (nc) =>
      serveOn(nc, {
        control: control as Control,
        groups: settings.service,
        inboxPrefixes: settings.inboxPrefixes,
        sink: "nats",
        log: context.log,
        refusals: new RateLimitedLog(),
        onAnswered() {},
      }),
  });
  await sink.connect();
  await sink.write(outcome(message("summary", "belt", 0)));
  const since = performance.now();
  await until("an opinion of it", () => {
    const { published, reason } = sink.status();
    return published > 0 || reason !== "not connected yet" || performance.now() - since > 3000;
  });
  const { connected, reason } = sink.status();
  // Two a try, one after the other, and one that is being closed.
  expect(server.most()).toBeLessThanOrEqual(3);
  await sink.close(50).catch(() => undefined);
  await until("its connections to be closed", () => server.sockets.size === 0);
  await server.close();
  expect([...recorded.log, ...recorded.errors, String(reason)].join("\n")).not.toContain(SECRET);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect([...recorded.log, String(reason)].filter((line) => /[\u0000-\u001f]/.test(line))).toEqual([]);
  return connected ? "connected" : "refused";
}

it("a server that says anything at all kills nothing, leaks no connection and has no secret told", async () => {
  const endings = { connected: 0, refused: 0 };
  const scripts = fc.sample(fc.tuple(script, fc.boolean()), { seed: SEED, numRuns: RUNS });
  // Those that are silent cost a time limit each.
  for (let k = 0; k < scripts.length; k += AT_ONCE) {
    const some = scripts.slice(k, k + AT_ONCE);
    const met = some.map(([played, jetstream]) =>
      meet(played, jetstream).catch((error: Error) => {
        throw new Error(`${error.message}; of ${JSON.stringify({ ...played, jetstream })}`);
      }),
    );
    for (const ending of await Promise.all(met)) endings[ending]++;
    expect(unhandled).toEqual([]);
  }
  console.error(`with seed ${SEED}: ${JSON.stringify(endings)}`);
  expect(Math.min(...Object.values(endings))).toBeGreaterThan(0);
}, 600_000);

it("and gets nothing among the results: what the client says of it stays off the standard output, and quotes nothing", async () => {
  const greeting = `INFO ${JSON.stringify({ ...info, max_payload: 1048576 })}\r\n`;
  const server = await play({ greeting, pong: "PONG\r\n", frames: ["XX SECRET\r\n"], deaf: false });
  const url = server.url.replace("//", `//worker:${SECRET}@`);
  const child = spawn(process.execPath, [MAIN, "watch", "--json", "--server", url], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((done) => child.once("close", done));
  let [out, words] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    words += chunk;
  });
  await until("the client's words", () => words.includes("video-explainer: a library says: reader closed\n"));
  child.kill("SIGTERM");
  await ended;
  await server.close();
  expect(out).toBe("");
  expect(words).not.toContain(SECRET);
});
