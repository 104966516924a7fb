import { expect, it } from "vitest";
import { headersFor } from "../../../src/messages/headers.js";
import { addStream, listen, seconds, storedMessages, streamConfig } from "../../support/nats-client.js";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { freePort } from "../../support/ports.js";
import { message, outcome, pause, STATION, until } from "../../support/sinks.js";

const STREAM = `explain-${STATION}`;
it("publishes under the topic of each kind, with every header and the body unchanged", async () => {
  const server = await start({ jetstream: true });
  const { sink, recorded } = await connectedSink({ servers: [server.url], jetstream: true });
  const picture = message("overlay", "cam-1", 7, {
    body: Uint8Array.from({ length: 3000 }, (_, i) => i % 256),
    headers: { "Relevance-Scale": "0.00031" },
  });
  const sent = [message("summary", "cam-1", 7), picture, message("heatmap", "cam-1", 7), message("status", "cam-1", 0)];
  await sink.write(outcome(...sent));
  await sink.close(10_000);

  const stored = await storedMessages(server.url, STREAM);
  expect(stored.map(({ subject }) => subject)).toEqual(
    ["summary", "overlay", "heatmap", "status"].map((kind) => `explain.${STATION}.cam-1.${kind}`),
  );
  for (const [i, one] of sent.entries()) {
    expect(stored[i]?.headers).toMatchObject(headersFor(one));
    expect(stored[i]?.body.equals(one.body)).toBe(true);
  }
  expect(stored[1]?.headers["Relevance-Scale"]).toBe("0.00031");
  expect(recorded.published.toSorted()).toEqual(["heatmap", "overlay", "status", "summary"]);
});

it("is listed by its server under its station, and under its name too where that is not its kind", async () => {
  const http = await freePort();
  const server = await start({ config: `http: "127.0.0.1:${http}"` });
  for (const name of ["nats", "plant"]) {
    const { sink } = await connectedSink({ servers: [server.url], name });
    await until("the connection", () => sink.status().connected);
  }
  const { connections } = (await (await fetch(`http://127.0.0.1:${http}/connz`)).json()) as {
    connections: { name: string }[];
  };
  const names = connections.map(({ name }) => name).toSorted();
  expect(names).toEqual([`video-explainer ${STATION}`, `video-explainer ${STATION} plant`]);
});

it("publishes only the kinds that the configuration names", async () => {
  const server = await start();
  const listener = await listen(server.url, ">");
  cleanUps.push(listener.close);
  const { sink } = await connectedSink({ servers: [server.url], publish: ["summary"] });
  expect([...sink.kinds]).toEqual(["summary"]);
  await sink.write(outcome(message("overlay", "cam-1", 0), message("summary", "cam-1", 0)));
  await sink.close(10_000);
  await until("the summary", () => listener.heard.length > 0);
  expect(listener.heard.map(({ subject }) => subject)).toEqual([`explain.${STATION}.cam-1.summary`]);
});

it("creates the stream as configured and brings an older one in line", async () => {
  const server = await start({ jetstream: true });
  await addStream(server.url, { name: STREAM, subjects: ["other.>"], max_bytes: 5_000_000 });
  const stream = { maxAgeSeconds: 60, maxBytes: 9_000_000, duplicateWindowSeconds: 100 };
  const { sink } = await connectedSink({ servers: [server.url], jetstream: true, stream });
  await until("the stream", () => sink.status().connected);
  expect(await streamConfig(server.url, STREAM)).toMatchObject({
    subjects: ["other.>", `explain.${STATION}.>`],
    max_bytes: 9_000_000,
    max_age: seconds(60),
    duplicate_window: seconds(60),
    storage: "file",
  });
  const { sink: memory } = await connectedSink({
    servers: [server.url],
    jetstream: true,
    prefix: "second",
    stream: { storage: "memory", name: "kept" },
  });
  await until("the second stream", () => memory.status().connected);
  expect(await streamConfig(server.url, "kept")).toMatchObject({ storage: "memory", duplicate_window: seconds(120) });
});

const stopsWith = [
  {
    what: "a stream that keeps its messages elsewhere",
    server: { jetstream: true },
    existing: { name: STREAM, subjects: [`explain.${STATION}.>`], storage: "memory" as never },
    sink: {},
    sentence: `JetStream stream ${STREAM} keeps its messages in memory but the configuration asks for file, which cannot be changed later; set stream.storage to memory or delete the stream`,
  },
  {
    what: "another stream over the same subjects",
    server: { jetstream: true },
    existing: { name: "everything", subjects: ["explain.>"] },
    sink: {},
    sentence: `JetStream stream ${STREAM} cannot take explain.${STATION}.> because stream everything already takes messages from there; set stream.name to everything, or another prefix or station`,
  },
  {
    what: "a server without JetStream",
    server: {},
    sink: {},
    sentence:
      "JetStream is not enabled on the NATS server; start nats-server with -js, or set jetstream: false to publish without it",
  },
  {
    what: "a server with too little room",
    server: { jetstream: true },
    sink: { stream: { maxBytes: 50 * 1024 ** 3 } },
    sentence: `JetStream has no room for stream ${STREAM} of 51200 MiB in file storage; lower stream.maxBytes or give the server more`,
  },
  {
    what: "wrong credentials",
    server: { config: `authorization { user: "writer", password: "right-secret" }` },
    sink: { user: "writer", password: "wrong-secret" },
    sentence: "refuses the credentials; correct user and password, or token",
  },
  {
    what: "a user without rights to the JetStream API",
    server: {
      jetstream: true,
      config: `authorization { users: [{ user: "writer", password: "right-secret", permissions: { publish: "explain.>" } }] }`,
    },
    sink: { user: "writer", password: "right-secret" },
    sentence: `the NATS user may not use the JetStream API for stream ${STREAM}; grant it publishing to $JS.API.>`,
  },
];

it.each(stopsWith)(
  "$what is one sentence, and the sink goes on",
  async ({ server: options, existing, sink: more, sentence }) => {
    const server = await start(options);
    if (existing) await addStream(server.url, existing);
    const { sink, recorded } = await connectedSink({ servers: [server.url], jetstream: true, ...more });
    await sink.write(outcome(message("summary", "cam-1", 0)));
    await until("the reason", () => recorded.log.length > 0);
    expect(sink.status()).toMatchObject({ connected: false, buffered: 1 });
    expect(sink.status().reason).toContain(sentence);
    await pause(800);
    expect(recorded.log.length).toBe(1);
    expect(recorded.log[0]).toContain(sentence);
    expect(await sink.verify(1000)).toBe(false);
    await expect(sink.close(50)).rejects.toThrow("1 summary message was not confirmed by NATS within 0.05 s and lost");
    expect(JSON.stringify(recorded)).not.toMatch(/secret/);
  },
);

it("a stream in the way that is removed later lets the kept messages through", async () => {
  const server = await start({ jetstream: true });
  await addStream(server.url, { name: "everything", subjects: ["explain.>"] });
  const { sink } = await connectedSink({ servers: [server.url], jetstream: true });
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the reason", () => sink.status().reason?.includes("everything") === true);
  const { connect } = await import("nats");
  const nc = await connect({ servers: server.url });
  await (await nc.jetstreamManager()).streams.delete("everything");
  await nc.close();
  await sink.close(20_000);
  expect((await storedMessages(server.url, STREAM)).length).toBe(1);
});

it("a stream deleted while publishing is made again", async () => {
  const server = await start({ jetstream: true });
  const { sink, recorded } = await connectedSink({ servers: [server.url], jetstream: true });
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the first acknowledgement", () => recorded.published.length === 1);
  const { connect } = await import("nats");
  const nc = await connect({ servers: server.url });
  await (await nc.jetstreamManager()).streams.delete(STREAM);
  await nc.close();
  for (let sequence = 1; sequence <= 30; sequence++) await sink.write(outcome(message("summary", "cam-1", sequence)));
  await sink.close(20_000);
  const stored = await storedMessages(server.url, STREAM);
  expect(stored.map(({ headers }) => Number(headers["Frame-Sequence"]))).toEqual(
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

const logins = [
  { what: "user and password", server: `user: "me", password: "s3cret!"`, sink: { user: "me", password: "s3cret!" } },
  { what: "a token", server: `token: "t0ken-s3cret"`, sink: { token: "t0ken-s3cret" } },
  { what: "credentials in the address", server: `user: "me", password: "p@ss/s3cret"`, address: "me:p%40ss%2Fs3cret@" },
  { what: "a token in the address", server: `token: "t0ken-s3cret"`, address: "t0ken-s3cret@" },
];

it.each(logins)("logs in with $what and shows none of it", async ({ server: authorization, sink: more, address }) => {
  const server = await start({ config: `authorization { ${authorization} }` });
  const url = address ? server.url.replace("nats://", `nats://${address}`) : server.url;
  const { sink, recorded } = await connectedSink({ servers: [url], ...more });
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the confirmation", () => recorded.published.length === 1);
  await server.kill();
  await until("the loss", () => !sink.status().connected);
  await sink.close(1000);
  expect(JSON.stringify([recorded, sink.status()])).not.toMatch(/s3cret|p%40ss/);
});

it.each([true, false])(
  "a message over max_payload is dropped with its reason and stops nothing (jetstream: %s)",
  async (jetstream) => {
    const server = await start({ jetstream: true, config: "max_payload: 65536" });
    const listener = await listen(server.url, `explain.${STATION}.>`);
    cleanUps.push(listener.close);
    const { sink, recorded } = await connectedSink({ servers: [server.url], jetstream });
    const large = message("overlay", "cam-1", 0, { body: Buffer.alloc(70_000) });
    const edge = message("overlay", "cam-1", 1, { body: Buffer.alloc(65_300) });
    await sink.write(outcome(large, edge, message("summary", "cam-1", 0)));
    await sink.close(10_000);
    await until("the summary", () => listener.heard.some(({ subject }) => subject.endsWith("summary")));
    expect(recorded.dropped[0]).toBe("overlay too-large");
    const [, bytes] = /^overlay of source cam-1 has (\d+) bytes with its headers, more than/.exec(recorded.errors[0]!)!;
    // As the server counts them.
    expect(Number(bytes)).toBeGreaterThan(70_200);
    expect(recorded.errors[0]).toContain(
      "more than max_payload 65536 of the NATS server allows; raise that limit, or lower the source's width",
    );
    expect(recorded.published.length + recorded.dropped.length).toBe(3);
    expect(listener.heard.length).toBe(recorded.published.length);
  },
);

it("a subject that the user may not publish to is dropped and named, the others arrive", async () => {
  const users = `{ user: "me", password: "x", permissions: { publish: { allow: ">", deny: "explain.*.*.overlay" } } }`;
  const server = await start({ config: `authorization { users: [${users}] }` });
  const listener = await listen(server.url, ">", { user: "me", pass: "x" });
  cleanUps.push(listener.close);
  const { sink, recorded } = await connectedSink({ servers: [server.url], user: "me", password: "x" });
  await sink.write(outcome(message("summary", "cam-1", 0), message("overlay", "cam-1", 0)));
  await sink.close(10_000);
  expect(recorded.dropped).toEqual(["overlay denied"]);
  expect(recorded.errors).toEqual([
    `the NATS user may not publish to explain.${STATION}.cam-1.overlay; grant it on the server`,
  ]);
  expect(recorded.published).toEqual(["summary"]);
});

it("when the buffer is full live messages push out the oldest, file messages wait and lose nothing", async () => {
  const { freePort } = await import("../../support/nats-server.js");
  const port = await freePort();
  const body = Buffer.alloc(1000);
  const { sink, recorded } = await connectedSink({
    servers: [`nats://127.0.0.1:${port}`],
    jetstream: true,
    bufferBytes: 20_000,
  });
  for (let sequence = 0; sequence < 40; sequence++) {
    await sink.write(outcome(message("summary", "cam-1", sequence, { body, whenFull: "drop" })));
  }
  expect(recorded.dropped.length).toBe(40 - sink.status().buffered);
  expect(recorded.log.filter((line) => line.includes("buffer")).length).toBe(1);
  let accepted = 0;
  const writer = (async () => {
    for (; accepted < 40; accepted++) await sink.write(outcome(message("summary", "belt", accepted, { body })));
  })();
  await pause(200);
  expect(accepted).toBe(0);
  const server = await start({ jetstream: true, port });
  await writer;
  await sink.close(20_000);
  const sequences = (await storedMessages(server.url, STREAM)).map(({ subject, headers }) => ({
    source: subject.split(".")[2],
    sequence: Number(headers["Frame-Sequence"]),
  }));
  const of = (source: string) => sequences.filter((s) => s.source === source).map(({ sequence }) => sequence);
  expect(of("belt")).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect(of("cam-1")).toEqual(Array.from({ length: 13 }, (_, i) => i + 27));
});

it("of several servers one that answers is enough", async () => {
  const server = await start();
  const { sink } = await connectedSink({
    servers: ["nats://127.0.0.1:1", server.url, "nats://no-such-host.invalid:4222"],
  });
  await until("the connection", () => sink.status().connected);
  expect(await sink.verify(2000)).toBe(true);
  await sink.close(1000);
});
