import mqtt from "mqtt";
import { expect, it } from "vitest";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { freePort } from "../../support/ports.js";
import { message, outcome, until } from "../../support/sinks.js";

interface Heard {
  topic: string;
  body: Buffer;
  qos: number;
  retain: boolean;
}

async function subscriber(port: number, topics: string[], options: { clientId?: string; clean?: boolean } = {}) {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
  cleanUps.push(() => client.endAsync(true));
  const heard: Heard[] = [];
  client.on("message", (topic, body, { qos, retain }) => heard.push({ topic, body, qos, retain }));
  await client.subscribeAsync(topics, { qos: 1 });
  return { client, heard };
}

it.each([false, true])(
  "a subscriber over NATS's own MQTT gateway hears what is published; JetStream: %s",
  async (jetstream) => {
    const port = await freePort();
    const config = `server_name: here\nmqtt { listen: "127.0.0.1:${port}" }`;
    const server = await start({ jetstream: true, config });
    const { sink, recorded } = await connectedSink({ servers: [server.url], jetstream });
    const first = await subscriber(port, ["explain/line-3/+/summary", "explain/line-3/belt/overlay"], {
      ...{ clientId: "wall", clean: false },
    });
    const picture = Buffer.alloc(200_000, 7);
    await sink.write(outcome(message("summary", "belt", 1), message("overlay", "belt", 1, { body: picture })));
    await sink.write(outcome(message("summary", "hall", 1), message("heatmap", "hall", 1)));
    await until("three messages", () => first.heard.length >= 3);
    expect(first.heard.map(({ topic }) => topic).sort()).toEqual([
      ...["explain/line-3/belt/overlay", "explain/line-3/belt/summary", "explain/line-3/hall/summary"],
    ]);
    // As they were published, at most once, and none retained, though the subscriber asked for more.
    const of = (topic: string) => first.heard.find((one) => one.topic === topic)!;
    expect(JSON.parse(`${of("explain/line-3/belt/summary").body}`)).toEqual({ source: "belt", sequence: 1 });
    expect(of("explain/line-3/belt/overlay").body.equals(picture)).toBe(true);
    expect(first.heard.map(({ qos, retain }) => [qos, retain])).toEqual([
      [0, false],
      [0, false],
      [0, false],
    ]);

    // Nothing is kept for who is away, nor for who comes: the next message is the first.
    await first.client.endAsync();
    await sink.write(outcome(message("summary", "belt", 2)));
    await until("its publishing", () => recorded.published.length === 5);
    const again = await subscriber(port, ["explain/line-3/+/summary"], { clientId: "wall", clean: false });
    const other = await subscriber(port, ["explain/line-3/+/summary"]);
    await sink.write(outcome(message("summary", "belt", 3)));
    await until("the next", () => again.heard.length > 0 && other.heard.length > 0);
    for (const { heard } of [again, other]) {
      expect(heard.map(({ body }) => JSON.parse(`${body}`).sequence)).toEqual([3]);
    }
  },
);
