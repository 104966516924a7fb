import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type NatsConnection, headers as natsHeaders } from "nats";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createFrameAssembler } from "../../src/cli/watch-frames.js";
import { bar, createLines } from "../../src/cli/watch-lines.js";
import { headersFor, subjectFor } from "../../src/messages/headers.js";
import type { FrameOutcome } from "../../src/messages/message.js";
import { connectClient } from "../sinks/viewer-client.js";
import { frame, status, summary } from "../sinks/viewer-stream.js";
import { makeAuthority } from "../support/certificates.js";
import { makeOperator } from "../support/nats-credentials.js";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { MAIN, runCli } from "./run-cli.js";

let server: NatsServer;
let nc: NatsConnection;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

/** Publishes an outcome's messages as the NATS sink does. */
async function publish(outcome: FrameOutcome, to: NatsConnection = nc): Promise<void> {
  for (const message of outcome.messages) {
    const headers = natsHeaders();
    for (const [name, value] of Object.entries(headersFor(message))) headers.set(name, value);
    to.publish(subjectFor("explain", message.station, message.source, message.kind), message.body, { headers });
  }
  await to.flush();
}

/** `video-explainer watch` under way, and what it has said so far. */
function start(args: string[], env: Record<string, string> = {}) {
  const child: ChildProcess = spawn(process.execPath, [MAIN, "watch", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const said = { out: "", err: "" };
  child.stdout!.on("data", (text) => {
    said.out += text;
  });
  child.stderr!.on("data", (text) => {
    said.err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, said, ended };
}

const watching = (said: { err: string }) => until("it to be watching", () => said.err.includes("watching explain."));

describe("watch", () => {
  beforeEach(async () => {
    server = await startNatsServer();
    nc = await connect({ servers: server.url });
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await nc.close();
    await server.stop();
  });

  it("prints one line a frame, and states when they change, without colours on a pipe", async () => {
    const { said, ended } = start(["--server", server.url, "--count", "3"]);
    await watching(said);
    await publish(status("belt"));
    await publish(status("belt"));
    await publish(status("belt", { state: "stalled", reason: "no frame for 10 s", restarts: 1 }));
    for (let i = 0; i < 5; i++) await publish(frame(summary("belt", i), { heatmap: Buffer.from("png") }));
    expect(await ended).toBe(0);
    const lines = said.out.trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}line-3\/belt {2}● live$/);
    expect(lines[1]).toMatch(/● stalled, no frame for 10 s, restarted 1 time$/);
    expect(lines[2]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}line-3\/belt {2}water bottle {14} {2} 62 % {2}███████▌ {4}/);
    expect(lines[2]).toMatch(/concentration {2}5\d % {5}52 ms$/);
    expect(said.out).not.toContain("\u001b");
  });

  it("prints summaries as they were published with --json, of the chosen source alone", async () => {
    const { said, ended } = start(["--server", server.url, "--json", "--source", "belt", "--count", "2"]);
    await watching(said);
    await publish(status("belt"));
    const sent = [summary("belt", 1), summary("belt", 2)];
    await publish(frame(summary("cam-2", 1), {}));
    for (const one of sent) await publish(frame(one, {}));
    expect(await ended).toBe(0);
    expect(
      said.out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(sent);
  });

  it("says that the server is away, keeps trying, and goes on when it is back", async () => {
    const port = await freePort();
    const { said, child, ended } = start(["--server", `nats://127.0.0.1:${port}`]);
    await until("the complaint", () => said.err.includes("refuses connections"));
    expect(said.err.trim()).toBe(
      `NATS server 127.0.0.1:${port} refuses connections; start it there or correct servers; trying again every 2 s`,
    );
    let late = await startNatsServer({ port });
    await watching(said);
    await late.stop();
    await until("the loss to be told", () => said.err.includes("was lost"));
    late = await startNatsServer({ port });
    cleanups.push(() => late.stop());
    await until("it to watch again", () => said.err.split("watching explain.").length === 3);
    const other = await connect({ servers: late.url });
    await publish(frame(summary("belt", 9), {}), other);
    await other.close();
    await until("the line", () => said.out.includes("water bottle"));
    child.kill("SIGINT");
    expect(await ended).toBe(0);
  });

  it("leaves out messages that are no summaries and says so once, but takes what a newer worker adds", async () => {
    const { said, ended } = start(["--server", server.url, "--count", "1"]);
    await watching(said);
    nc.publish("explain.line-3.belt.summary", Buffer.from("no json"));
    nc.publish("explain.line-3.belt.summary", Buffer.from("{}"));
    const newer = { ...summary("belt", 1), weather: "fine" };
    nc.publish("explain.line-3.belt.summary", Buffer.from(JSON.stringify(newer)));
    await nc.flush();
    expect(await ended).toBe(0);
    expect(said.err.match(/cannot be read/g)).toHaveLength(1);
    expect(said.err).toContain("a message on explain.line-3.belt.summary cannot be read, it is not JSON");
    expect(said.out.trimEnd().split("\n")).toHaveLength(1);
  });

  it("serves the live page from the topics with --view, and ends with a browser connected", async () => {
    const { said, child, ended } = start(["--server", server.url, "--view", "--port", "0"]);
    await watching(said);
    const url = /live page at (\S+)/.exec(said.err)![1]!;
    const client = await connectClient(url, true);
    const parts = { heatmap: Buffer.from("a png"), overlay: Buffer.from("a jpeg") };
    await publish(status("belt", { state: "frozen" }));
    for (let i = 0; i < 3; i++) {
      await publish(frame(summary("belt", i), parts));
      await pause(30);
    }
    await until("a whole picture", () => client.pictures.some((p) => p.bytes.overlay > 0 && p.bytes.heatmap > 0));
    await until("all figures", () => client.rows("line-3/belt").length === 3);
    expect(client.news("line-3/belt").find((news) => news.status)!.status!.state).toBe("frozen");
    expect(said.out).toContain("● frozen");
    expect(said.out).not.toContain("water bottle");
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it("shows the page only to who has the token of --token, or of VIEW_TOKEN", async () => {
    const view = ["--server", server.url, "--view", "--port", "0"];
    for (const { said } of [start([...view, "--token", "open-sesame"]), start(view, { VIEW_TOKEN: "open-sesame" })]) {
      await watching(said);
      const url = /live page at (\S+)/.exec(said.err)![1]!;
      expect((await fetch(url)).status).toBe(401);
      expect((await fetch(`${url}?token=wrong`)).status).toBe(401);
      expect((await fetch(url, { headers: { authorization: "Bearer open-sesame" } })).status).toBe(200);
      expect((await connectClient(url, true)).refused).toMatch(/^401 /);
      expect(said.err).not.toContain("open-sesame");
    }
  });

  it("refuses what cannot be a topic, a count or a port, in one sentence with exit code 2", async () => {
    for (const [args, sentence] of [
      [["--source", "a.b"], '--source "a.b" cannot be part of a NATS subject'],
      [["--prefix", "*"], '--prefix "*" cannot be part of a NATS subject'],
      [["--count", "0"], "option '--count <n>' argument '0' is invalid. give a whole number of 1 or more"],
      [["--port", "70000"], "option '--port <n>' argument '70000' is invalid. give a whole number from 0 to 65535"],
      [["--token", "short"], "--token is not usable: it must be 8 or more printable characters without spaces"],
      [["--creds", "none.creds"], "credentials none.creds does not exist; correct the path"],
      [["--creds", "a", "--nkey-file", "b"], "--creds and --nkey-file exclude each other"],
      [["--tls-cert", "a"], "--tls-cert needs --tls-key beside it"],
      [["--server", "http://x"], 'NATS server "http://x" cannot be read'],
    ] as const) {
      const { code, stderr, stdout } = await runCli(["watch", ...args]);
      expect(stderr).toContain(sentence);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect([code, stdout]).toEqual([2, ""]);
    }
  });

  it("logs in with credentials, over TLS", async () => {
    const [authority, operator] = [await makeAuthority(), makeOperator()];
    cleanups.push(() => authority.remove());
    const { cert, key } = await authority.sign("server", "IP:127.0.0.1");
    const tls = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${authority.ca}", verify: true }`;
    const secure = await startNatsServer({ config: `${tls}\n${operator.config()}` });
    cleanups.push(() => secure.stop());
    const creds = join(authority.folder, "watcher.creds");
    await writeFile(creds, operator.user().creds);
    const files = ["--creds", creds, "--tls-ca", authority.ca, "--tls-cert", cert, "--tls-key", key];
    const { said } = start(["--server", secure.url, ...files]);
    await watching(said);
  });

  it("fails with one sentence when the port of the page is in use", async () => {
    const { code, stderr } = await runCli(["watch", "--view", "--port", String(server.port), "--server", server.url]);
    expect(code).toBe(1);
    expect(stderr.trim()).toMatch(/live page cannot listen on 127\.0\.0\.1:\d+: another program listens there/);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});

describe("a line", () => {
  it("is coloured on a terminal, and lets no control character of a label through", () => {
    const lines = createLines({ colours: true, withStation: false });
    const of = summary("belt", 1);
    of.classification.target.label = "evil\u001b[2J\nlabel";
    expect(lines.summary(of)).toContain("\u001b[1mevil label");
    expect(lines.summary(of)).not.toContain("\u001b[2J");
    expect(lines.summary({ ...of, relevance: null })).toContain("only classified");
  });

  it("has a bar as long as the share", () => {
    expect([0, 0.5, 1, 2].map(bar)).toEqual([" ".repeat(12), "██████      ", "█".repeat(12), "█".repeat(12)]);
    expect(bar(1 / 96)).toBe("▏           ");
  });
});

describe("a frame from topics", () => {
  let frames: FrameOutcome[];
  let assembler: ReturnType<typeof createFrameAssembler>;
  beforeAll(() => {
    frames = [];
    assembler = createFrameAssembler((outcome) => frames.push(outcome));
  });

  const add = (sequence: number, ...kinds: string[]) => {
    const of = summary("belt", sequence);
    const { messages } = frame(of, { heatmap: Buffer.from("h"), overlay: Buffer.from("o") });
    for (const kind of kinds) {
      const message = messages.find((m) => m.kind === kind)!;
      assembler.add(`${sequence}`, message, kind === "summary" ? of : undefined);
    }
  };
  const got = () => frames.splice(0).map((f) => f.messages.map((m) => m.kind).join("+"));

  it("is whole once its kinds are known, whatever their order, and waits no longer than the next frame", () => {
    add(0, "summary", "overlay", "heatmap");
    expect(got()).toEqual(["summary"]);
    add(1, "summary", "overlay", "heatmap");
    add(2, "overlay", "heatmap", "summary");
    expect(got()).toEqual(["summary+overlay+heatmap", "overlay+heatmap+summary"]);
    add(3, "summary");
    expect(got()).toEqual([]);
    add(4, "summary");
    expect(got()).toEqual(["summary", "summary"]);
    assembler.close();
  });
});
