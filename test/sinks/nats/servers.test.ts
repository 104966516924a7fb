import fc from "fast-check";
import { expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { maxPayloadOf } from "../../../src/sinks/nats/greeting.js";
import { readServers } from "../../../src/sinks/nats/servers.js";

it.each([
  ["nats://localhost:4333", { host: "localhost", port: 4333, address: "localhost:4333" }, false],
  ["broker", { host: "broker", port: 4222, address: "broker:4222" }, false],
  ["10.0.0.5:4000", { host: "10.0.0.5", port: 4000, address: "10.0.0.5:4000" }, false],
  ["tls://broker.example.org", { host: "broker.example.org", port: 4222, address: "broker.example.org:4222" }, true],
  ["nats://[::1]:4223", { host: "::1", port: 4223, address: "[::1]:4223" }, false],
])("reads %s", (text, server, tls) => {
  expect(readServers({ servers: [text] })).toEqual({ servers: [server], tls, files: {} });
});

it("any user and password survive their way through an address, and the configuration's own win", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (user, password) => {
      const address = `nats://${encodeURIComponent(user)}:${encodeURIComponent(password)}@broker`;
      expect(readServers({ servers: [address] })).toMatchObject({ user, password });
      const own = readServers({ servers: [address], user: "me", password: "mine" });
      expect(own).toMatchObject({ user: "me", password: "mine" });
      expect(readServers({ servers: [address], token: "t" })).toMatchObject({ token: "t" });
      expect(readServers({ servers: [address], token: "t" }).user).toBeUndefined();
    }),
  );
});

it.each(["", "http://broker", "nats://", "nats://user:secret@", "nats://user:secret@host:99999", "nats://host/path"])(
  "refuses %j in one sentence without its credentials",
  (text) => {
    const read = () => readServers({ servers: [text] });
    expect(read).toThrow(InputError);
    expect(read).toThrow(/^NATS server ".*" cannot be read: write it as nats:\/\/host:4222$/);
    expect(read).not.toThrow(/secret/);
  },
);

it("a server may change its max_payload, where what it says is a size at all", () => {
  const after = (told: unknown): number => maxPayloadOf({ info: { max_payload: told } as never }, 1_048_576);
  expect(after(1024)).toBe(1024);
  for (const told of [undefined, null, 0, -5000, 1.5, Number.NaN, "1024", {}]) expect(after(told)).toBe(1_048_576);
});

it("a server that has not said anything yet takes what it took before", () => {
  expect(maxPayloadOf({}, 5000)).toBe(5000);
});
