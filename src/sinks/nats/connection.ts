import { isIP } from "node:net";
import { connect, type NatsConnection, NatsError } from "nats";
import { VideoExplainerError } from "../../errors.js";
import { redact } from "../../redact.js";
import { type Login, readLogin, tlsOptions } from "./login.js";
import {
  greets,
  maxPayloadOf,
  type NatsServer,
  type NatsServers,
  readInfo,
  readServers,
  tlsRefusal,
} from "./servers.js";

/** One connection, from greeting to loss. The client never reconnects it: what it buffers must not outlive it. */
export interface Link {
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
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Subjects that nobody asked after are remembered up to so many: more than are published between two looks. */
const MOST_DENIED = 1024;
const TIMES = { connectMs: 5_000, alertMs: 1_000, pingMs: 10_000, pongMs: 10_000 };

/** Tries the servers in turn; throws one sentence when none takes the connection. */
export async function openLink(
  config: NatsServers,
  discovered: readonly NatsServer[],
  clientName: string,
  stop: AbortSignal,
): Promise<Link> {
  const login = await readLogin(config);
  const candidates = [...shuffled(config.servers), ...shuffled(discovered)];
  let first: Error | undefined;
  for (const server of candidates) {
    try {
      await greets(server, login.tls, TIMES.connectMs, stop);
      const nc = await dial(config, login, server, clientName, stop);
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
      first ??= linkError(redact(connectionFault(cause, server, login)), cause);
    }
  }
  if (candidates.length <= 1) throw first;
  throw linkError(`none of ${candidates.length} NATS servers can be used: ${first?.message}`, first);
}

/** What a connection that was cut while it was set up failed of, where TLS may tell. */
async function refusal(error: unknown, server: NatsServer, { tls }: Login): Promise<Error | undefined> {
  if (!tls || tls.handshakeFirst || !CUT.has(String((error as { code?: unknown })?.code))) return undefined;
  return tlsRefusal(server, tls, TIMES.alertMs);
}

const CUT = new Set(["ECONNRESET", "EPIPE", "CONNECTION_CLOSED"]);

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

async function dial(
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
  return within(dialled, 2 * TIMES.connectMs, stop).catch((error: unknown) => {
    dialled.then(
      (late) => late.close(),
      () => undefined,
    );
    throw error;
  });
}

function watch(nc: NatsConnection, login: Login, server: NatsServer): Link {
  const info = readInfo(nc.info);
  const ended = new AbortController();
  const denied = new Set<string>();
  const takeDenied = (): Set<string> => {
    const taken = new Set(denied);
    denied.clear();
    return taken;
  };
  let { maxPayload } = info;
  const link: Link = {
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
    roundTrip(link, TIMES.pongMs).catch(() => nc.close());
  }, TIMES.pingMs);
  nc.closed().then((error) => {
    clearInterval(heartbeat);
    const why = error && isAuthFault(error) ? `: ${connectionFault(error, server, login)}` : "";
    ended.abort(linkError(`the connection to NATS server ${server.address} was lost${why}`, error));
  });
  void (async () => {
    for await (const status of nc.status()) {
      const context = status.permissionContext;
      if (context?.operation !== "publish") continue;
      denied.add(context.subject);
      if (denied.size > MOST_DENIED) denied.delete(denied.values().next().value!);
    }
  })();
  return link;
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

/** One sentence without credentials: which server, what is wrong, what to do. */
function connectionFault(error: unknown, server: NatsServer, login: Login): string {
  const at = `NATS server ${server.address}`;
  const code = String((error as { code?: unknown })?.code ?? "");
  if (isAuthFault(error)) return `${at} ${loginFault(error, login)}`;
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
      if (login.tls && !login.tls.handshakeFirst) {
        return `${at} does not answer; check that no firewall is between, and set tls.handshakeFirst if it begins with TLS`;
      }
      return `${at} does not answer; check that it is a NATS server and that no firewall is between`;
    case "ECONNRESET":
    case "EPIPE":
      if (login.tls && !login.tls.handshakeFirst) {
        return `${at} closed the connection at once; set tls.handshakeFirst if it begins with TLS, else check that it takes more clients`;
      }
      return `${at} closed the connection at once; check that it is a NATS server and takes more clients`;
    case "SERVER_OPT_NA":
      return `${at} does not encrypt; write nats:// instead of tls:// or enable TLS there`;
  }
  const tls = tlsFault(code, at, login);
  if (tls) return tls;
  const words = error instanceof Error && error.message !== "" ? error.message : code || "unknown";
  return `${at} cannot be used (${words}); check that it is a NATS server and its certificate is trusted here`;
}

/** What a server means that refuses a login, by the way that was tried. */
function loginFault(error: unknown, { by, expires }: Login): string {
  const expired =
    (error as NatsError).code === "AUTHENTICATION_EXPIRED" || (expires && expires.getTime() <= Date.now());
  switch (by.kind) {
    case "nkey":
      return `refuses the nkey with public key ${by.publicKey}; add it to the users there, or correct the seed`;
    case "credentials":
      if (expired) {
        const since = expires ? ` at ${expires.toISOString()}` : "";
        return `refuses credentials ${by.file.path}, which expired${since}; have new ones generated`;
      }
      return `refuses credentials ${by.file.path}: their user or account is not known there or was revoked; have new ones generated`;
    case "none":
      return "wants a login; set user and password, token, credentials or nkey";
    case "password":
      return "refuses the credentials; correct user and password, or token";
  }
}

/** A fault of certificates, either side's; undefined when it is none. */
function tlsFault(code: string, at: string, login: Login): string | undefined {
  switch (code) {
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "CERT_SIGNATURE_FAILURE":
    case "CERT_UNTRUSTED":
      return `the certificate of ${at} is not signed by an authority trusted here; set tls.ca to its authority's certificate`;
    case "CERT_HAS_EXPIRED":
      return `the certificate of ${at}, or of its authority, has expired; renew it there`;
    case "CERT_NOT_YET_VALID":
      return `the certificate of ${at} is not valid yet; check the clocks of both machines`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate of ${at} is for another host name; correct servers, or set tls.serverName to a name that it bears`;
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return `${at} does not begin with TLS; leave tls.handshakeFirst out, or set handshake_first there`;
  }
  if (!ALERTS.test(code)) return undefined;
  if (login.tls?.cert === undefined) return `${at} asks for a certificate of its clients; set tls.cert and tls.key`;
  return `${at} refuses the certificate of tls.cert; give one that is not expired and signed by an authority trusted there`;
}

/** What the far end sends when it does not like the certificate, or that there is none. */
const ALERTS =
  /_ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|HANDSHAKE_FAILURE)/;

const AUTH_FAULTS = new Set([
  "AUTHORIZATION_VIOLATION",
  "BAD_AUTHENTICATION",
  "AUTHENTICATION_EXPIRED",
  "ACCOUNT_EXPIRED",
]);
const isAuthFault = (error: unknown): boolean => error instanceof NatsError && AUTH_FAULTS.has(error.code);

const linkError = (message: string, cause?: unknown): Error =>
  new VideoExplainerError("nats-connection", message, { cause });

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
