import { isIP } from "node:net";
import { connect, type NatsConnection, NatsError } from "nats";
import { VideoExplainerError } from "../../errors.js";
import { redact } from "../../redact.js";
import { connectionFault, isAuthFault } from "./faults.js";
import { awaitInfo, maxPayloadOf, readInfo, tlsRefusal } from "./greeting.js";
import { type Login, readLogin, tlsOptions } from "./login.js";
import { type NatsServer, type NatsServers, readServers } from "./servers.js";

/** One connection, from greeting to loss. The client never reconnects it: what it buffers must not outlive it. */
export interface Connection {
  nc: NatsConnection;
  server: NatsServer;
  /** Other members of the server's cluster. */
  discovered: NatsServer[];
  /** The largest message that the server takes now, in bytes, headers included. */
  readonly maxPayload: number;
  /** Aborts with a sentence when the connection is lost or closed. */
  signal: AbortSignal;
  /** Subjects that the server refused to take, since last asked. */
  takeDenied(): Set<string>;
}

/** A longer timer of Node's fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Subjects that nobody asked after are remembered up to so many: more than are published between two looks. */
const MAX_DENIED_SUBJECTS = 1024;
const TIMES = { connectMs: 5_000, alertMs: 1_000, pingMs: 10_000, pongMs: 10_000 };

/** Tries the servers in turn; throws one sentence when none takes the connection. */
export async function openConnection(
  config: NatsServers,
  discovered: readonly NatsServer[],
  clientName: string,
  stop: AbortSignal,
): Promise<Connection> {
  const login = await readLogin(config);
  const candidates = [...shuffled(config.servers), ...shuffled(discovered)];
  let first: Error | undefined;
  for (const server of candidates) {
    try {
      await awaitInfo(server, login.tls, TIMES.connectMs, stop);
      const nc = await connectTo(config, login, server, clientName, stop);
      try {
        return watch(nc, login, server);
      } catch (error) {
        // Not waited for: a dead network never lets it end.
        void nc.close().catch(() => undefined);
        throw error;
      }
    } catch (error) {
      if (stop.aborted) throw error;
      const cause = (await refusal(error, server, login)) ?? error;
      // The words of a server, which knows what it was sent, may repeat it.
      first ??= connectionError(redact(connectionFault(cause, server, login)), cause);
    }
  }
  if (candidates.length <= 1) throw first;
  throw connectionError(`none of ${candidates.length} NATS servers can be used: ${first?.message}`, first);
}

/** What a connection that was cut while it was set up failed of, where TLS may tell. */
async function refusal(error: unknown, server: NatsServer, { tls }: Login): Promise<Error | undefined> {
  if (!tls || tls.handshakeFirst || !CUT.has(String((error as { code?: unknown })?.code))) return undefined;
  return tlsRefusal(server, tls, TIMES.alertMs);
}

const CUT = new Set(["ECONNRESET", "EPIPE", "CONNECTION_CLOSED"]);

/** Settles as `work` does, or rejects when the signal aborts or the time passes first. */
export function withTimeout<T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => finish(() => reject(signal.reason));
    const timer = setTimeout(
      () => finish(() => reject(new NatsError("no answer", "TIMEOUT"))),
      Math.min(timeoutMs, MAX_TIMER_MS),
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
export const roundTrip = (connection: Connection, timeoutMs: number): Promise<void> =>
  withTimeout(connection.nc.flush(), timeoutMs, connection.signal);

async function connectTo(
  config: NatsServers,
  login: Login,
  server: NatsServer,
  name: string,
  stop: AbortSignal,
): Promise<NatsConnection> {
  const dialled = connect({
    servers: server.address,
    name,
    reconnect: false,
    // The members of a cluster are this file's to try.
    ignoreClusterUpdates: true,
    timeout: TIMES.connectMs,
    pingInterval: TIMES.pingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(login.tls && { tls: { ...tlsOptions(login.tls, server), handshakeFirst: login.tls.handshakeFirst } }),
    ...(login.authenticator && { authenticator: login.authenticator }),
    ...(config.user !== undefined && { user: config.user, pass: config.password ?? "" }),
    ...(config.token !== undefined && { token: config.token }),
  });
  return withTimeout(dialled, 2 * TIMES.connectMs, stop).catch((error: unknown) => {
    dialled.then(
      (late) => late.close(),
      () => undefined,
    );
    throw error;
  });
}

function watch(nc: NatsConnection, login: Login, server: NatsServer): Connection {
  const info = readInfo(nc.info);
  const ended = new AbortController();
  const denied = new Set<string>();
  const takeDenied = (): Set<string> => {
    const taken = new Set(denied);
    denied.clear();
    return taken;
  };
  let { maxPayload } = info;
  const connection: Connection = {
    nc,
    server,
    discovered: membersOf(info.members, server),
    get maxPayload() {
      maxPayload = maxPayloadOf(nc, maxPayload);
      return maxPayload;
    },
    signal: ended.signal,
    takeDenied,
  };

  // The client's own heartbeat waits for its last write before it closes, which a dead network never completes.
  const heartbeat = setInterval(() => {
    roundTrip(connection, TIMES.pongMs).catch(() => nc.close());
  }, TIMES.pingMs);
  void nc.closed().then((error) => {
    clearInterval(heartbeat);
    const why = error && isAuthFault(error) ? `: ${connectionFault(error, server, login)}` : "";
    ended.abort(connectionError(`the connection to NATS server ${server.address} was lost${why}`, error));
  });
  void (async () => {
    for await (const status of nc.status()) {
      const context = status.permissionContext;
      if (context?.operation !== "publish") continue;
      denied.add(context.subject);
      if (denied.size > MAX_DENIED_SUBJECTS) denied.delete(denied.values().next().value!);
    }
  })();
  return connection;
}

/** A cluster tells the addresses of its members, while their certificates bear the name that was dialled. */
function membersOf(urls: readonly string[], server: NatsServer): NatsServer[] {
  const others = urls.flatMap(readable).filter(({ address }) => address !== server.address);
  const tlsName = server.tlsName ?? server.host;
  return isIP(tlsName) ? others : others.map((other) => (isIP(other.host) ? { ...other, tlsName } : other));
}

function readable(url: string): NatsServer[] {
  try {
    return readServers({ servers: [url] }).servers;
  } catch {
    // The others of the cluster will do.
    return [];
  }
}

const connectionError = (message: string, cause?: unknown): Error =>
  new VideoExplainerError("nats-connection", message, { cause });

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
