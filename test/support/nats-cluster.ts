import { connect } from "nats";
import { isRunning } from "../pipeline/helpers.js";
import { freePort, type NatsServer, startNatsServer } from "./nats-server.js";
import { until } from "./sinks.js";

export interface NatsCluster {
  readonly urls: readonly string[];
  /** Sends a server into lame-duck mode, in which it lets go of its streams and clients and ends, and starts it again. */
  passLameDuck(which: number): Promise<void>;
  stop(): Promise<void>;
}

/** Three real nats-servers that keep streams together; resolves when they have a leader. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const routes = await Promise.all([0, 1, 2].map(freePort));
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const options = routes.map((port, i) => ({
    jetstream: true,
    config: `server_name: n${i}, lame_duck_duration: "30s", lame_duck_grace_period: "1s"
      cluster { name: plant, listen: "127.0.0.1:${port}", routes: [${urls}] }`,
  }));
  const first = await Promise.all(options.map((each) => startNatsServer(each)));
  const all: NatsServer[] = [...first];
  const running = [...first];
  const clients = first.map(({ url }) => url);
  const hasLeader = async (): Promise<boolean> => {
    const nc = await connect({ servers: clients, timeout: 2000 });
    try {
      await (await nc.jetstreamManager({ checkAPI: false })).getAccountInfo();
      return true;
    } catch {
      return false;
    } finally {
      await nc.close();
    }
  };
  await until("the cluster to have a leader", hasLeader, 60_000);
  return {
    urls: clients,
    async passLameDuck(which) {
      const { pid, port, storeDir } = running[which]!;
      process.kill(pid, "SIGUSR2");
      await until(`server ${which} to have ended`, () => !isRunning(pid), 60_000);
      running[which] = await startNatsServer({ ...options[which]!, port, storeDir });
      all.push(running[which]!);
      await until("the cluster to have a leader again", hasLeader, 60_000);
    },
    async stop() {
      await Promise.all(all.map((server) => server.stop()));
    },
  };
}
