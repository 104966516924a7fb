import { createServer } from "node:net";
import { expect, it } from "vitest";
import { listen, storedMessages } from "../../support/nats-client.js";
import { freePort, type NatsServer } from "../../support/nats-server.js";
import { cleanUps, sinkFor, start } from "../../support/nats-sink.js";
import { message, outcome, pause, STATION, until } from "../../support/sinks.js";
import { startTcpProxy } from "../../support/tcp-proxy.js";

const STREAM = `explain-${STATION}`;
it("a JetStream server killed while publishing has every message once and in order afterwards", async () => {
  const first = await start({ jetstream: true });
  const { sink, recorded } = sinkFor({ servers: [first.url], jetstream: true });
  await sink.connect();

  const sent = new Map<string, string[]>();
  let go = true;
  const write = async (source: string): Promise<void> => {
    const ids: string[] = [];
    sent.set(source, ids);
    for (let sequence = 0; go; sequence++) {
      const body = Buffer.alloc(20_000, sequence % 251);
      const frame = [message("summary", source, sequence), message("overlay", source, sequence, { body })];
      ids.push(...frame.map(({ id }) => id));
      await sink.write(outcome(...frame));
      if (sequence % 4 === 0) await pause(5);
    }
  };
  const writers = [write("cam-1"), write("cam-2")];
  let server = first;
  for (const published of [300, 1500]) {
    await until("acknowledgements", () => recorded.published.length > published);
    await server.kill();
    await pause(1000);
    expect(sink.status()).toMatchObject({
      connected: false,
      reason: expect.stringMatching(/refuses connections|lost/),
    });
    expect(await sink.verify(500)).toBe(false);
    server = await start({ jetstream: true, port: first.port, storeDir: first.storeDir });
    await until("the connection to be back", () => sink.status().connected);
    expect(await sink.verify(5000)).toBe(true);
  }
  go = false;
  await Promise.all(writers);
  await sink.close(30_000);

  const ids = (await storedMessages(server.url, STREAM)).map(({ id }) => id);
  for (const [source, expected] of sent) expect(ids.filter((id) => id.includes(`-${source}-`))).toEqual(expected);
  expect(recorded.published.length).toBe(ids.length);
  expect(recorded.dropped).toEqual([]);
});

it("messages stored whose acknowledgement was lost are not stored again, even past the duplicate window", async () => {
  const server = await start({ jetstream: true });
  const proxy = await startTcpProxy(server.port);
  cleanUps.push(() => proxy.close());
  const { sink, recorded } = sinkFor({
    servers: [`nats://127.0.0.1:${proxy.port}`],
    jetstream: true,
    stream: { duplicateWindowSeconds: 1 },
  });
  await sink.connect();
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the first acknowledgement", () => recorded.published.length === 1);

  proxy.swallowAnswers();
  for (let sequence = 1; sequence <= 20; sequence++) await sink.write(outcome(message("summary", "cam-1", sequence)));
  await until("all to be stored", async () => (await storedMessages(server.url, STREAM)).length === 21);
  expect(recorded.published.length).toBe(1);
  await pause(2500);
  proxy.cut();
  await sink.write(outcome(message("summary", "cam-1", 21)));
  await sink.close(20_000);

  const stored = await storedMessages(server.url, STREAM);
  expect(stored.map(({ headers }) => Number(headers["Frame-Sequence"]))).toEqual(
    Array.from({ length: 22 }, (_, i) => i),
  );
  expect(recorded.published.length).toBe(22);
});

it("without JetStream a subscriber has every message after a restart, in order", async () => {
  const first = await start();
  const listener = await listen(first.url, `explain.${STATION}.>`);
  cleanUps.push(listener.close);
  const proxy = await startTcpProxy(first.port);
  cleanUps.push(() => proxy.close());
  const { sink, recorded } = sinkFor({ servers: [`nats://127.0.0.1:${proxy.port}`] });
  await sink.connect();
  for (let sequence = 0; sequence < 50; sequence++) await sink.write(outcome(message("summary", "cam-1", sequence)));
  await until("the first half", () => listener.heard.length === 50);
  await until("its confirmation", () => recorded.published.length === 50);

  await first.kill();
  await until("the loss to be seen", () => !sink.status().connected);
  // The sink stays away until the subscriber is back: core NATS keeps nothing for those who are late.
  proxy.blackHole();
  for (let sequence = 50; sequence < 100; sequence++) await sink.write(outcome(message("summary", "cam-1", sequence)));
  expect(sink.status().buffered).toBe(50);
  let flushed = false;
  const flushing = sink.flushed!().then(() => {
    flushed = true;
  });
  await start({ port: first.port });
  await until("the subscriber to be back", listener.connected);
  expect(flushed).toBe(false);
  proxy.cut();
  await flushing;
  expect(recorded.published.length).toBe(100);
  await sink.close(20_000);
  await until("the second half", () => listener.heard.length >= 100);
  expect(listener.heard.map(({ body }) => JSON.parse(body).sequence)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(recorded.published.length).toBe(100);
});

it("the second server is used when the first is dead, and both are gone back to after both were down", async () => {
  const [one, two] = [await start({ jetstream: true }), await start({ jetstream: true })];
  const { sink, recorded } = sinkFor({ servers: [one.url, two.url], jetstream: true });
  await sink.connect();
  let sequence = 0;
  const delivered = async (): Promise<void> => {
    const published = recorded.published.length;
    await sink.write(outcome(message("summary", "cam-1", sequence++)));
    await until("the acknowledgement", () => recorded.published.length > published);
  };
  const again = ({ port, storeDir }: NatsServer) => start({ jetstream: true, port, storeDir });
  await one.kill();
  await delivered();
  const back = await again(one);
  await two.kill();
  await delivered();
  await back.kill();
  await until("both to be missed", () => sink.status().reason?.includes("none of 2 NATS servers can be used") === true);
  await sink.write(outcome(message("summary", "cam-1", sequence++)));
  const last = await again(two);
  await until("the kept message", () => recorded.published.length === 3);
  await delivered();
  await sink.close(5000);
  const stored = (await storedMessages(last.url, STREAM)).map(({ headers }) => Number(headers["Frame-Sequence"]));
  expect(stored.filter((number) => number !== 1)).toEqual([0, 2, 3]);
  expect(recorded.dropped).toEqual([]);
});

it("a server that is down at start is waited for, said once, and gets everything", async () => {
  const port = await freePort();
  const { sink, recorded } = sinkFor({ servers: [`nats://127.0.0.1:${port}`], jetstream: true });
  await sink.connect();
  for (let sequence = 0; sequence < 10; sequence++) await sink.write(outcome(message("summary", "belt", sequence)));
  await until("the reason", () => sink.status().reason?.includes("refuses connections") === true);
  await pause(2000);
  expect(sink.status()).toMatchObject({ connected: false, buffered: 10, published: 0 });
  expect(recorded.log).toEqual([
    `nats: NATS server 127.0.0.1:${port} refuses connections; start it there or correct servers; messages are kept meanwhile`,
  ]);

  const server = await start({ jetstream: true, port });
  await sink.close(20_000);
  expect((await storedMessages(server.url, STREAM)).length).toBe(10);
  expect(recorded.connected.map(({ connected }) => connected)).toEqual([false, true]);
});

it("closing while the server is away rejects at the deadline with what was lost, by kind", async () => {
  const port = await freePort();
  const { sink, recorded } = sinkFor({ servers: [`nats://127.0.0.1:${port}`], jetstream: true });
  await sink.connect();
  await sink.write(
    outcome(message("summary", "belt", 0), message("overlay", "belt", 0), message("summary", "belt", 1)),
  );
  await expect(sink.close(400)).rejects.toThrow(
    `1 overlay and 2 summary messages were not confirmed by NATS within 0.4 s and lost: NATS server 127.0.0.1:${port} refuses connections; start it there or correct servers`,
  );
  expect(recorded.dropped.toSorted()).toEqual([
    "overlay not-delivered",
    "summary not-delivered",
    "summary not-delivered",
  ]);
  expect(sink.status()).toMatchObject({ connected: false, buffered: 0, dropped: 3 });
});

it("closing before anything was connected or written is quiet", async () => {
  const { sink } = sinkFor({ servers: ["nats://127.0.0.1:1"] });
  await sink.close(100);
  const { sink: connected } = sinkFor({ servers: ["nats://127.0.0.1:1"] });
  await connected.connect();
  await connected.close(10_000);
});

it("a network that swallows everything is noticed and the messages arrive after it heals", async () => {
  const server = await start({ jetstream: true });
  const proxy = await startTcpProxy(server.port);
  cleanUps.push(() => proxy.close());
  const { sink, recorded } = sinkFor({ servers: [`nats://127.0.0.1:${proxy.port}`], jetstream: true });
  await sink.connect();
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the first acknowledgement", () => recorded.published.length === 1);

  proxy.blackHole();
  expect(await sink.verify(200)).toBe(false);
  // More than the sockets on the way can hold.
  for (let sequence = 1; sequence <= 60; sequence++) {
    await sink.write(outcome(message("overlay", "cam-1", sequence, { body: Buffer.alloc(500_000, sequence) })));
  }
  await until("the loss to be seen", () => !sink.status().connected, 40_000);
  proxy.cut();
  await sink.close(30_000);
  expect((await storedMessages(server.url, STREAM)).length).toBe(61);
  expect(recorded.published.length).toBe(61);
});

it("a server that takes connections and stays silent is said to, and costs no descriptor", async () => {
  let open = 0;
  let taken = 0;
  const silent = createServer((socket) => {
    open++;
    taken++;
    socket.on("error", () => undefined);
    socket.on("close", () => open--);
  });
  await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
  cleanUps.push(() => new Promise<void>((done) => silent.close(() => done())));
  const { port } = silent.address() as { port: number };
  const { sink } = sinkFor({ servers: [`nats://127.0.0.1:${port}`] });
  await sink.connect();
  await until("the reason", () => sink.status().reason?.includes("does not answer") === true);
  await until("another try", () => taken > 1);
  expect(open).toBeLessThanOrEqual(1);
  await sink.close(1000);
  await until("all to be closed", () => open === 0);
});
