import { connect, nanos, type StreamConfig } from "nats";

export interface StoredMessage {
  id: string;
  subject: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** All messages of a stream, in its order. */
export async function storedMessages(url: string, stream: string): Promise<StoredMessage[]> {
  const nc = await connect({ servers: url });
  try {
    const jsm = await nc.jetstreamManager();
    const { state } = await jsm.streams.info(stream);
    const stored: StoredMessage[] = [];
    if (state.messages === 0) return stored;
    const consumer = await nc.jetstream().consumers.get(stream);
    for await (const m of await consumer.consume({ max_messages: 500 })) {
      const headers: Record<string, string> = {};
      for (const [key, values] of m.headers ?? []) headers[key] = values[0] ?? "";
      stored.push({ id: headers["Nats-Msg-Id"] ?? "", subject: m.subject, headers, body: Buffer.from(m.data) });
      if (stored.length === state.messages) break;
    }
    return stored;
  } finally {
    await nc.close();
  }
}

/** Configuration of a stream as the server has it. */
export async function streamConfig(url: string, stream: string): Promise<StreamConfig> {
  const nc = await connect({ servers: url });
  try {
    return (await (await nc.jetstreamManager()).streams.info(stream)).config;
  } finally {
    await nc.close();
  }
}

/** Makes a stream as somebody else would have. */
export async function addStream(url: string, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  const nc = await connect({ servers: url });
  try {
    await (await nc.jetstreamManager()).streams.add(config);
  } finally {
    await nc.close();
  }
}

export interface Heard {
  id: string;
  subject: string;
  body: string;
}

/** Subscribes and writes down what comes; the client reconnects by itself. */
export async function listen(url: string, subject: string, more: object = {}) {
  const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50, ...more });
  const heard: Heard[] = [];
  nc.subscribe(subject, {
    callback: (error, m) => {
      if (!error) heard.push({ id: m.headers?.get("Nats-Msg-Id") ?? "", subject: m.subject, body: m.string() });
    },
  });
  await nc.flush();
  const connected = (): Promise<boolean> =>
    nc.flush().then(
      () => true,
      () => false,
    );
  return { heard, connected, close: () => nc.close() };
}

export const seconds = (count: number): number => nanos(count * 1000);
