import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { isUsable, parseInfo, probe } from "../../scripts/nats.mjs";
import { freePort } from "../../scripts/processes.mjs";
import { type NatsServerOptions, startNatsServer } from "../support/nats-server.js";

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function natsServer(options: NatsServerOptions): Promise<number> {
  const server = await startNatsServer(options);
  cleanups.push(() => server.stop());
  return server.port;
}

async function listener(greeting: string | undefined): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (greeting !== undefined) socket.write(greeting);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe("a NATS server's first line", () => {
  it("is read as its JSON object", () => {
    expect(parseInfo('INFO {"version":"2.9.10","jetstream":true} \r\n')).toEqual({
      version: "2.9.10",
      jetstream: true,
    });
  });

  it.each(["", "INFO", "INFO {", "INFO {]}", "+OK", "HTTP/1.1 400 Bad Request"])("is not %j", (line) => {
    expect(parseInfo(line)).toBeUndefined();
  });

  it("survives a round trip of any object", () => {
    const object = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(object, (info) => {
        expect(parseInfo(`INFO ${JSON.stringify(info)}`)).toEqual(info);
      }),
    );
  });

  it("says whether a demo can use the server", () => {
    expect(isUsable({ jetstream: true })).toBe(true);
    expect(isUsable({})).toBe(false);
    expect(isUsable(undefined)).toBe(false);
    expect(isUsable({ jetstream: true, auth_required: true })).toBe(false);
    expect(isUsable({ jetstream: true, tls_required: true })).toBe(false);
  });
});

describe("probing", () => {
  it("finds a server with JetStream usable", async () => {
    expect(isUsable(await probe("127.0.0.1", await natsServer({ jetstream: true })))).toBe(true);
  });

  it("tells a server without JetStream, and one that asks for a password", async () => {
    const plain = await probe("127.0.0.1", await natsServer({}));
    expect(plain?.version).toMatch(/^2\./);
    expect(isUsable(plain)).toBe(false);
    const closed = await probe(
      "127.0.0.1",
      await natsServer({ jetstream: true, config: "authorization { user: u, password: p }" }),
    );
    expect(isUsable(closed)).toBe(false);
  });

  it("finds nothing where nobody, a silent server or another protocol answers", async () => {
    expect(await probe("127.0.0.1", await freePort(15222))).toBeUndefined();
    expect(await probe("127.0.0.1", await listener(undefined), 200)).toBeUndefined();
    expect(await probe("127.0.0.1", await listener("220 mail ESMTP\r\n"))).toBeUndefined();
  });
});
