import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Certificate } from "./certificates.js";

/** In front of a NATS server: begins with TLS and greets as a server with `handshake_first` does. */
export async function startTlsFront(port: number, { cert, key }: Certificate) {
  const sockets = new Set<Socket | TLSSocket>();
  const server = createServer(
    { cert: await readFile(cert), key: await readFile(key), handshakeTimeout: 2000 },
    (outer) => {
      const inner = connect(port, "127.0.0.1");
      for (const socket of [outer, inner]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          sockets.delete(socket);
          for (const one of [outer, inner]) one.destroy();
        });
      }
      inner.once("data", (greeting) => {
        outer.write(greeting.toString().replace("INFO {", 'INFO {"tls_required":true,'));
        inner.pipe(outer);
      });
      outer.pipe(inner);
    },
  );
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
