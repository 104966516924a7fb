import { createConnection, createServer, type Socket } from "node:net";

export interface TcpProxy {
  port: number;
  /** Sockets taken so far. */
  connections(): number;
  /** Bytes towards the client vanish from now on; those towards the server still pass. */
  swallowAnswers(): void;
  /** Bytes vanish both ways from now on, also on new connections, and nobody is told. */
  blackHole(): void;
  /** New connections pass again; those from before stay as they are. */
  heal(): void;
  /** Flips a bit of this share of the bytes towards the client; 0 ends it. */
  damage(share: number, random?: () => number): void;
  /** Closes every connection; new ones pass again. */
  cut(): void;
  close(): Promise<void>;
}

type Mode = "pass" | "mute" | "dead";

/** A TCP relay to a port of 127.0.0.1 whose wires can be damaged. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; target: Socket; mode: Mode }>();
  let mode: Mode = "pass";
  let share = 0;
  let dice: () => number = Math.random;
  let count = 0;
  const flipped = (chunk: Buffer): Buffer => {
    if (share === 0) return chunk;
    const damaged = Buffer.from(chunk);
    for (let i = 0; i < damaged.length; i++) if (dice() < share) damaged[i]! ^= 1 << Math.floor(dice() * 8);
    return damaged;
  };
  const server = createServer((client) => {
    count++;
    const target = createConnection({ port: targetPort, host: "127.0.0.1" });
    const pair = { client, target, mode };
    pairs.add(pair);
    const end = (): void => {
      client.destroy();
      target.destroy();
      pairs.delete(pair);
    };
    client.on("data", (chunk) => pair.mode !== "dead" && target.write(chunk));
    target.on("data", (chunk: Buffer) => pair.mode === "pass" && client.write(flipped(chunk)));
    for (const socket of [client, target]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const become = (next: Mode): void => {
    mode = next;
    for (const pair of pairs) pair.mode = next;
  };
  const cut = (): void => {
    mode = "pass";
    for (const { client, target } of pairs) {
      client.destroy();
      target.destroy();
    }
  };
  return {
    port: (server.address() as { port: number }).port,
    connections: () => count,
    swallowAnswers: () => become("mute"),
    blackHole: () => become("dead"),
    heal: () => {
      mode = "pass";
    },
    damage: (part, random = Math.random) => {
      share = part;
      dice = random;
    },
    cut,
    close: () => {
      cut();
      return new Promise((done) => server.close(() => done()));
    },
  };
}
