import { connect, type NatsConnection, NatsError } from "nats";
import { VideoExplainerError } from "../errors.js";
import { greets, type NatsServer, type NatsServers, readServers } from "./nats-servers.js";

/** One connection, from greeting to loss. The client never reconnects it: what it buffers must not outlive it. */
export interface Link {
  nc: NatsConnection;
  server: NatsServer;
  /** Other members of the server's cluster. */
  discovered: NatsServer[];
  /** Aborts with a sentence when the connection is lost or closed. */
  signal: AbortSignal;
  /** Subjects that the server refused to take, since last asked. */
  takeDenied(): Set<string>;
}

/** A longer timer of Node's fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const TIMES = { connectMs: 5_000, pingMs: 10_000, pongMs: 10_000 };

/** Tries the servers in turn; throws one sentence when none takes the connection. */
export async function openLink(
  config: NatsServers,
  discovered: readonly NatsServer[],
  clientName: string,
  stop: AbortSignal,
): Promise<Link> {
  const candidates = [...shuffled(config.servers), ...shuffled(discovered)];
  let first: Error | undefined;
  for (const server of candidates) {
    try {
      await greets(server, TIMES.connectMs, stop);
      return watch(await dial(config, server, clientName, stop), server);
    } catch (error) {
      if (stop.aborted) throw error;
      first ??= linkError(connectionFault(error, server), error);
    }
  }
  if (candidates.length <= 1) throw first;
  throw linkError(`none of ${candidates.length} NATS servers can be used: ${first?.message}`, first);
}

/** Settles as `work` does, or rejects when the signal aborts or the time passes first. */
export function within<T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => finish(() => reject(signal.reason));
    const timer = setTimeout(
      () => finish(() => reject(new NatsError("no answer", "TIMEOUT"))),
      Math.min(timeoutMs, LONGEST_TIMER_MS),
    );
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      settle();
    };
    work.then(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    );
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** Proves that the server answers now. */
export const roundTrip = (link: Link, timeoutMs: number): Promise<void> =>
  within(link.nc.flush(), timeoutMs, link.signal);

async function dial(config: NatsServers, server: NatsServer, name: string, stop: AbortSignal): Promise<NatsConnection> {
  const dialled = connect({
    servers: server.address,
    name,
    reconnect: false,
    timeout: TIMES.connectMs,
    pingInterval: TIMES.pingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(config.tls && { tls: {} }),
    ...(config.user !== undefined && { user: config.user, pass: config.password ?? "" }),
    ...(config.token !== undefined && { token: config.token }),
  });
  return within(dialled, 2 * TIMES.connectMs, stop).catch((error: unknown) => {
    dialled.then(
      (late) => late.close(),
      () => undefined,
    );
    throw error;
  });
}

function watch(nc: NatsConnection, server: NatsServer): Link {
  const ended = new AbortController();
  const denied = new Set<string>();
  const takeDenied = (): Set<string> => {
    const taken = new Set(denied);
    denied.clear();
    return taken;
  };
  const link: Link = { nc, server, discovered: membersOf(nc, server), signal: ended.signal, takeDenied };

  // The client's own heartbeat waits for its last write before it closes, which a dead network never completes.
  const heartbeat = setInterval(() => {
    roundTrip(link, TIMES.pongMs).catch(() => nc.close());
  }, TIMES.pingMs);
  nc.closed().then((error) => {
    clearInterval(heartbeat);
    const why = error && isAuthFault(error) ? `: ${connectionFault(error, server)}` : "";
    ended.abort(linkError(`the connection to NATS server ${server.address} was lost${why}`, error));
  });
  void (async () => {
    for await (const status of nc.status()) {
      const context = status.permissionContext;
      if (context?.operation === "publish") denied.add(context.subject);
    }
  })();
  return link;
}

function membersOf(nc: NatsConnection, server: NatsServer): NatsServer[] {
  const urls = nc.info?.connect_urls ?? [];
  return urls.length === 0 ? [] : readServers({ servers: urls }).servers.filter((s) => s.address !== server.address);
}

/** One sentence without credentials: which server, what is wrong, what to do. */
function connectionFault(error: unknown, server: NatsServer): string {
  const at = `NATS server ${server.address}`;
  const code = String((error as { code?: unknown })?.code ?? "");
  if (isAuthFault(error)) return `${at} refuses the credentials; correct user and password, or token`;
  switch (code) {
    case "ECONNREFUSED":
    case "CONNECTION_REFUSED":
      return `${at} refuses connections; start it there or correct servers`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the host of ${at} is not known; correct servers`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `${at} cannot be reached from here; check the network or correct servers`;
    case "ETIMEDOUT":
    case "TIMEOUT":
      return `${at} does not answer; check that it is a NATS server and that no firewall is between`;
    case "ECONNRESET":
    case "EPIPE":
      return `${at} closed the connection at once; check that it is a NATS server and takes more clients`;
    case "SERVER_OPT_NA":
      return `${at} does not encrypt; write nats:// instead of tls:// or enable TLS there`;
  }
  const words = error instanceof Error && error.message !== "" ? error.message : code || "unknown";
  return `${at} cannot be used (${words}); check that it is a NATS server and its certificate is trusted here`;
}

const AUTH_FAULTS = new Set(["AUTHORIZATION_VIOLATION", "BAD_AUTHENTICATION", "AUTHENTICATION_EXPIRED"]);
const isAuthFault = (error: unknown): boolean => error instanceof NatsError && AUTH_FAULTS.has(error.code);

const linkError = (message: string, cause?: unknown): Error =>
  new VideoExplainerError("nats-connection", message, { cause });

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
