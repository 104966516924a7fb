import { resolve as resolvePath } from "node:path";
import type { NatsSinkConfig } from "../../config/schema.js";
import { InputError } from "../../errors.js";
import { percentDecoded } from "../../percent-decoded.js";
import { hasOpenLogin, learnSecrets, redactWhole } from "../../redact.js";

export interface NatsServer {
  /** As given to a socket: no brackets, no credentials. */
  host: string;
  port: number;
  /** `host:port`, for the client and for people. */
  address: string;
  /** Name on its certificate, where that is not the host. */
  tlsName?: string;
}

/** A file that a login needs, read anew for each connection. */
export interface LoginFile {
  /** Where the configuration names it, e.g. `tls.cert`. */
  key: string;
  /** As written there. */
  path: string;
  resolved: string;
}

export interface NatsServers {
  servers: NatsServer[];
  /** True with `tls`, or when an address says `tls://`: a server that does not encrypt is then refused. */
  tls: boolean;
  secure?: NatsSinkConfig["tls"];
  files: { [Key in "credentials" | "nkeyFile" | "ca" | "cert" | "key"]?: LoginFile };
  user?: string;
  password?: string;
  token?: string;
  nkey?: string;
}

/** The part of a sink's configuration that says where and as whom to connect. */
export type NatsAccess = Pick<
  NatsSinkConfig,
  "servers" | "user" | "password" | "token" | "credentials" | "nkey" | "nkeyFile" | "tls"
>;

/** A login beside which an address needs no credentials. */
export const hasLogin = (
  config: Partial<Pick<NatsSinkConfig, "user" | "token" | "credentials" | "nkey" | "nkeyFile">>,
) => [config.user, config.token, config.credentials, config.nkey, config.nkeyFile].some((way) => way !== undefined);

const DEFAULT_PORT = 4222;
const SCHEMES = new Set(["nats:", "tls:", "nats+tls:"]);

/**
 * Addresses and credentials of a configuration. Credentials inside an address (`nats://user:password@host`,
 * `nats://token@host`) count where the configuration gives none. Paths start from `baseDir`. An unreadable address is
 * an InputError.
 */
export function readServers(config: NatsAccess, baseDir = "."): NatsServers {
  learnSecrets(config, true);
  const found: NatsServers = { servers: [], tls: config.tls !== undefined, files: filesOf(config, baseDir) };
  if (config.tls) found.secure = config.tls;
  for (const text of config.servers) {
    const url = parse(text);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    found.servers.push({ host, port, address: `${url.hostname}:${port}` });
    found.tls ||= url.protocol !== "nats:";
    const [user, password] = [percentDecoded(url.username), percentDecoded(url.password)];
    if (hasLogin(config) || !user || found.user !== undefined || found.token !== undefined) continue;
    if (url.password === "") found.token = user;
    else Object.assign(found, { user, password });
  }
  if (config.token !== undefined) return { ...found, token: config.token };
  if (config.nkey !== undefined) return { ...found, nkey: config.nkey };
  return config.user === undefined ? found : { ...found, user: config.user, password: config.password };
}

function filesOf({ credentials, nkeyFile, tls }: NatsAccess, baseDir: string): NatsServers["files"] {
  const files: NatsServers["files"] = {};
  const add = (name: keyof typeof files, key: string, path: string | undefined): void => {
    if (path !== undefined) files[name] = { key, path, resolved: resolvePath(baseDir, path) };
  };
  add("credentials", "credentials", credentials);
  add("nkeyFile", "nkeyFile", nkeyFile);
  for (const name of ["ca", "cert", "key"] as const) add(name, `tls.${name}`, tls?.[name]);
  return files;
}

function parse(text: string): URL {
  const full = text.includes("://") ? text : `nats://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url && SCHEMES.has(url.protocol) && url.hostname !== "" && ["", "/"].includes(url.pathname)) return url;
  const shown = JSON.stringify(redactWhole(full).replace(text === full ? "" : "nats://", ""));
  const hint = hasOpenLogin(full) ? ", and percent-encode what its login holds of / ? # (%2F %3F %23)" : "";
  throw new InputError("nats-server", `NATS server ${shown} cannot be read: write it as nats://host:4222${hint}`);
}
