import { connect } from "nats";
import { expect, it } from "vitest";
import { freePort, type NatsServer, startNatsServer } from "../../support/nats-server.js";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { message, outcome, STATION, until } from "../../support/sinks.js";

/** Three servers that keep streams together; each can be started again on its store. */
async function startCluster() {
  const routes = await Promise.all([0, 1, 2].map(freePort));
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const options = routes.map((port, i) => ({
    jetstream: true,
    config: `server_name: n${i}, lame_duck_duration: "30s", lame_duck_grace_period: "1s"
      cluster { name: plant, listen: "127.0.0.1:${port}", routes: [${urls}] }`,
  }));
  const servers = await Promise.all(options.map((each) => startNatsServer(each)));
  const again = new Map<number, NatsServer>();
  cleanUps.push(() => Promise.all([...servers, ...again.values()].map((server) => server.stop())));
  return {
    urls: servers.map(({ url }) => url),
    lameDuck: (i: number) => process.kill(servers[i]!.pid, "SIGUSR2"),
    async restart(i: number) {
      await servers[i]!.kill();
      const { port, storeDir } = servers[i]!;
      again.set(i, await startNatsServer({ ...options[i]!, port, storeDir }));
    },
  };
}

it("a server of a cluster in lame-duck mode stops no stream that others keep too, and what only it keeps is waited for: nothing lost, nothing twice", async () => {
  const cluster = await startCluster();
  const nc = await connect({ servers: cluster.urls, maxReconnectAttempts: -1 });
  cleanUps.push(() => nc.close());
  const jsm = await nc.jetstreamManager({ checkAPI: false });
  await until(
    "the cluster to have a leader",
    () =>
      jsm.getAccountInfo().then(
        () => true,
        () => false,
      ),
    60_000,
  );

  const shared = { servers: cluster.urls, jetstream: true };
  const once = await connectedSink({ ...shared, prefix: "once" });
  const thrice = await connectedSink({ ...shared, prefix: "thrice", stream: { replicas: 3 } });
  const both = [once, thrice];
  let sequence = 0;
  const write = async () => {
    for (const { sink } of both) await sink.write(outcome(message("summary", "belt", sequence)));
    sequence++;
  };
  await write();
  await until("both streams", () => both.every(({ sink }) => sink.status().published === 1), 60_000);
  const leader = (await jsm.streams.info(`once-${STATION}`)).cluster!.leader!;
  expect((await jsm.streams.info(`thrice-${STATION}`)).config.num_replicas).toBe(3);

  cluster.lameDuck(Number(leader.slice(1)));
  await until(
    "the lame duck to be missed",
    async () => {
      await write();
      return !once.sink.status().connected && /offline/.test(once.sink.status().reason ?? "");
    },
    60_000,
  );
  expect(once.sink.status().reason).toBe(
    `JetStream stream once-${STATION} is offline, since the server that keeps it is away or in lame-duck mode; it is waited for (with stream.replicas: 3 the others would go on)`,
  );
  expect(await once.sink.verify(5000)).toBe(false);
  await write();
  await until("the others to go on", () => thrice.sink.status().published === sequence, 60_000);
  expect(await thrice.sink.verify(5000)).toBe(true);
  expect(once.sink.status()).toMatchObject({ dropped: 0 });
  expect(once.sink.status().published + once.sink.status().buffered).toBe(sequence);

  await cluster.restart(Number(leader.slice(1)));
  await until("the stream to be back", () => once.sink.status().published === sequence, 60_000);
  for (const { sink } of both) expect(sink.status()).toMatchObject({ connected: true, buffered: 0, dropped: 0 });
  for (const prefix of ["once", "thrice"]) {
    const { state } = await jsm.streams.info(`${prefix}-${STATION}`);
    expect(state.messages, prefix).toBe(sequence);
  }
}, 180_000);

it("more replicas than servers are refused in words for a new stream, and told for one that is there", async () => {
  const server = await start({ jetstream: true });
  const made = await connectedSink({ servers: [server.url], jetstream: true, stream: { replicas: 3 } });
  await until("the refusal", () => made.sink.status().reason !== "not connected yet");
  expect(made.sink.status().reason).toBe(
    `JetStream cannot keep stream explain-${STATION} 3 times (replicas > 1 not supported in non-clustered mode); start more servers of the cluster or lower stream.replicas`,
  );
  const nc = await connect({ servers: server.url });
  cleanUps.push(() => nc.close());
  const jsm = await nc.jetstreamManager();
  await jsm.streams.add({ name: `explain-${STATION}`, subjects: [`explain.${STATION}.>`], num_replicas: 1 });
  await until("the stream to be used", () => made.sink.status().connected);
  expect(made.recorded.log).toContain(
    `nats: JetStream stream explain-${STATION} is not kept 3 times (the server is in no cluster); start more servers of the cluster or lower stream.replicas`,
  );
  await made.sink.write(outcome(message("summary", "belt", 0)));
  await until("its message", () => made.sink.status().published === 1);
});
