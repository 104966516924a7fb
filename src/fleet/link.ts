import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamClient, JetStreamManager, NatsError } from "nats";
import { backoff } from "../backoff.js";
import type { FleetConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import type { Logger } from "../log.js";
import type { FleetMetrics } from "../metrics/metrics.js";
import { type Connection, openConnection, roundTrip, withTimeout } from "../sinks/nats/connection.js";
import { type NatsServer, readServers } from "../sinks/nats/servers.js";

const RETRY = { delaysMs: [0, 250, 500, 1000, 2000], jitter: 0.25 };
/** What lasted for less than `steadyMs` was no session that worked: the next is waited for longer. */
const TIMES = { apiMs: 5_000, probeMs: 5_000, drainMs: 1_000, steadyMs: 5_000 };

/** One use of a connection, from the streams being ready to the first thing that fails. */
export interface FleetSession {
  connection: Connection;
  js: JetStreamClient;
  jsm: JetStreamManager;
  /** Aborts with why it is over. */
  signal: AbortSignal;
}

export interface LinkParts {
  config: FleetConfig;
  baseDir: string;
  /** As NATS lists the connection. */
  clientName: string;
  log: Logger;
  metrics: FleetMetrics;
  /** Makes streams and consumers ready, before the session counts as begun. */
  prepare(session: FleetSession): Promise<void>;
  /** Works until something fails, which it rejects with; what it started ends with the session's signal. */
  serve(session: FleetSession): Promise<never>;
}

/** Keeps a connection to the streams of a fleet, through any number of lost ones, until it is closed. */
export class FleetLink {
  readonly #servers;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  #discovered: NatsServer[] = [];
  #connection: Connection | undefined;
  #session: FleetSession | undefined;
  #running: Promise<void> | undefined;
  #reason: string | undefined = "not connected to the fleet yet";

  constructor(private readonly parts: LinkParts) {
    this.#servers = readServers(parts.config, parts.baseDir);
  }

  connect(): void {
    this.#running ??= this.#run();
  }

  /** Why it is not connected. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get current(): FleetSession | undefined {
    return this.#session;
  }

  /** The session, once there is one. Rejects when the signal aborts first. */
  async session(signal: AbortSignal): Promise<FleetSession> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#session) return this.#session;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#waiters.delete(go);
          signal.removeEventListener("abort", go);
          resolve();
        };
        this.#waiters.add(go);
        signal.addEventListener("abort", go, { once: true });
      });
    }
  }

  /** Proves that the server answers now; the streams may still be missing. */
  async answers(timeoutMs: number): Promise<boolean> {
    if (!this.#connection) return false;
    return roundTrip(this.#connection, timeoutMs).then(
      () => true,
      () => false,
    );
  }

  /** Proves that the server answers now, and that the streams are there. */
  async verify(timeoutMs: number): Promise<boolean> {
    return (await this.answers(timeoutMs)) && this.#session !== undefined;
  }

  async close(): Promise<void> {
    const connection = this.#session?.connection;
    if (connection && !connection.signal.aborted) {
      await withTimeout(connection.nc.flush(), TIMES.drainMs, connection.signal).catch(() => undefined);
    }
    this.#stop.abort(new VideoExplainerError("stopping", "the fleet is left"));
    void connection?.nc.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { parts } = this;
    const stop = this.#stop.signal;
    for (let attempt = 0; !stop.aborted; attempt++) {
      await this.#pause(attempt);
      if (stop.aborted) return;
      try {
        const connection = await openConnection(this.#servers, this.#discovered, parts.clientName, stop);
        if (connection.discovered.length > 0) this.#discovered = connection.discovered;
        this.#connection = connection;
        try {
          await this.#use(connection);
        } finally {
          this.#connection = undefined;
          void connection.nc.close();
        }
        attempt = 0;
      } catch (error) {
        this.#lost(error as Error);
      }
    }
  }

  /** One session after the other, as long as the connection lasts. */
  async #use(connection: Connection): Promise<void> {
    const { domain } = this.parts.config;
    const stop = this.#stop.signal;
    const options = { timeout: TIMES.apiMs, ...(domain !== undefined && { domain }) };
    for (let attempt = 0; !connection.signal.aborted && !stop.aborted; attempt++) {
      const end = new AbortController();
      const over = (): void => end.abort(connection.signal.reason ?? stop.reason);
      connection.signal.addEventListener("abort", over, { once: true });
      stop.addEventListener("abort", over, { once: true });
      try {
        const jsm = await connection.nc.jetstreamManager({ ...options, checkAPI: false });
        const session = { connection, jsm, js: connection.nc.jetstream(options), signal: end.signal };
        await this.parts.prepare(session);
        this.#begun(session);
        const begunAt = performance.now();
        await this.parts.serve(session).finally(() => {
          if (performance.now() - begunAt >= TIMES.steadyMs) attempt = 0;
        });
      } catch (error) {
        const lost = connection.signal.aborted ? (connection.signal.reason as Error) : (error as Error);
        end.abort(lost);
        this.#lost(lost);
      } finally {
        connection.signal.removeEventListener("abort", over);
        stop.removeEventListener("abort", over);
      }
      if (stop.aborted) return;
      // A server that is gone without a word is found here, not after minutes.
      await roundTrip(connection, TIMES.probeMs).catch(() => connection.nc.close());
      if (!connection.signal.aborted) await this.#pause(attempt + 1);
    }
  }

  #begun(session: FleetSession): void {
    this.#session = session;
    this.#reason = undefined;
    this.parts.metrics.connected(true);
    this.parts.log.info(`fleet: connected to ${session.connection.server.address}`);
    for (const go of [...this.#waiters]) go();
  }

  /** Reported once, and again only when the reason is another. */
  #lost(error: Error): void {
    const was = this.#session !== undefined;
    this.#session = undefined;
    this.parts.metrics.connected(false);
    if (this.#stop.signal.aborted || (!was && this.#reason === error.message)) return;
    this.#reason = error.message;
    this.parts.log.warn(`fleet: ${error.message}; it is tried again`);
  }

  async #pause(attempt: number): Promise<void> {
    const ms = backoff(attempt, RETRY);
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/** What NATS says in few words, as a sentence of ours. */
export const fleetFault = (what: string, error: unknown): Error => {
  if (error instanceof VideoExplainerError) return error;
  const words = (error as NatsError).api_error?.description ?? (error as Error).message;
  return new VideoExplainerError("fleet", `${what}: ${words}`, { cause: error });
};
