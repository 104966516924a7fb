import { createConnection, createServer, type Socket } from "node:net";

export interface TcpProxy {
  port: number;
  /** Sockets taken so far. */
  connections(): number;
  /** Bytes towards the client vanish from now on; those towards the server still pass. */
  swallowAnswers(): void;
  /** Bytes vanish both ways from now on, also on new connections, and nobody is told. */
  blackHole(): void;
  /** Closes every connection; new ones pass again. */
  cut(): void;
  close(): Promise<void>;
}

/** A TCP relay to a port of 127.0.0.1 whose wires can be damaged. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<[Socket, Socket]>();
  let mode: "pass" | "mute" | "dead" = "pass";
  let count = 0;
  const server = createServer((client) => {
    count++;
    const target = createConnection({ port: targetPort, host: "127.0.0.1" });
    const pair: [Socket, Socket] = [client, target];
    pairs.add(pair);
    const end = (): void => {
      client.destroy();
      target.destroy();
      pairs.delete(pair);
    };
    client.on("data", (chunk) => mode !== "dead" && target.write(chunk));
    target.on("data", (chunk) => mode === "pass" && client.write(chunk));
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const cut = (): void => {
    mode = "pass";
    for (const [client, target] of pairs) {
      client.destroy();
      target.destroy();
    }
  };
  return {
    port: (server.address() as { port: number }).port,
    connections: () => count,
    swallowAnswers: () => {
      mode = "mute";
    },
    blackHole: () => {
      mode = "dead";
    },
    cut,
    close: () => {
      cut();
      return new Promise((done) => server.close(() => done()));
    },
  };
}
