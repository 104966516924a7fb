import { randomBytes } from "node:crypto";
import sharp from "sharp";
import { expect, it } from "vitest";
import { natsSinkSchema } from "../../../src/config/schema.js";
import { openConnection } from "../../../src/sinks/nats/connection.js";
import { readServers } from "../../../src/sinks/nats/servers.js";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { message, outcome, pause, until } from "../../support/sinks.js";

const noise = (): Promise<Buffer> =>
  sharp(randomBytes(300 * 200 * 3), { raw: { width: 300, height: 200, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();

it("a source that was forgotten is told anew that its overlays are made smaller", async () => {
  const server = await start({ config: "max_payload: 20000" });
  const { sink, recorded } = await connectedSink({ servers: [server.url] });
  await until("the connection", () => sink.status().connected);
  const body = await noise();
  const told = () => recorded.log.filter((line) => line.includes("made smaller")).length;
  for (let i = 0; i < 2; i++) await sink.write(outcome(message("overlay", "cam-1", i, { body })));
  expect(told()).toBe(1);
  sink.forget!("cam-1");
  await sink.write(outcome(message("overlay", "cam-1", 2, { body })));
  expect(told()).toBe(2);
});

it("a write that fails while an overlay is made smaller leaves the next ones to themselves", async () => {
  const server = await start({ config: "max_payload: 20000" });
  const { sink, recorded } = await connectedSink({ servers: [server.url] });
  await until("the connection", () => sink.status().connected);
  const body = await noise();
  const broken = message("overlay", "cam-1", 0, { body });
  Object.defineProperty(broken, "body", {
    get: () => {
      throw new Error("gone");
    },
  });
  await expect(sink.write(outcome(message("overlay", "cam-1", 0, { body }), broken))).rejects.toThrow("gone");
  await sink.write(outcome(message("summary", "cam-1", 1)));
  await until("the next", () => recorded.published.includes("summary"));
});

it("subjects that a server refuses are remembered up to a bound", async () => {
  const users = `{ user: "me", password: "x", permissions: { publish: { deny: "denied.>" } } }`;
  const server = await start({ config: `authorization { users: [${users}] }` });
  const sink = natsSinkSchema.parse({ kind: "nats", servers: [server.url], user: "me", password: "x" });
  const connection = await openConnection(readServers(sink, "."), [], "test", new AbortController().signal);
  cleanUps.push(() => connection.nc.close());
  for (let i = 0; i < 3000; i++) connection.nc.publish(`denied.${i}`);
  await connection.nc.flush();
  // The client passes refusals on a few turns after the answer.
  await pause(500);
  const denied = connection.takeDenied();
  expect(denied.size).toBe(1024);
  expect(denied.has("denied.2999")).toBe(true);
});
