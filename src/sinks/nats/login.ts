import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { type Authenticator, jwtAuthenticator, nkeyAuthenticator, nkeys } from "nats";
import { InputError } from "../../errors.js";
import { redact } from "../../redact.js";
import { systemAdvice, systemPredicate } from "../../system-error.js";
import type { LoginFile, NatsServer, NatsServers } from "./servers.js";

/** What one connection logs in with. */
export interface Login {
  authenticator?: Authenticator;
  tls?: TlsMaterial;
  /** Names it in a sentence, without a secret. */
  by: { kind: "password" | "none" } | { kind: "nkey"; publicKey: string } | { kind: "credentials"; file: LoginFile };
  /** When the credentials cease to hold. */
  expires?: Date;
}

export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
  handshakeFirst?: boolean;
  serverName?: string;
}

/** Reads the files of a login anew. Throws one sentence, which names key and path, for the first that is not usable. */
export async function readLogin(servers: NatsServers): Promise<Login> {
  const login: Login = {
    by: { kind: servers.user === undefined && servers.token === undefined ? "none" : "password" },
  };
  if (servers.tls) login.tls = await readTls(servers);
  const { credentials, nkeyFile } = servers.files;
  if (credentials) return { ...login, ...(await readCredentials(credentials)) };
  if (nkeyFile) return { ...login, ...fromSeed(seedIn(await textOf(nkeyFile)), fault(nkeyFile)) };
  if (servers.nkey !== undefined) return { ...login, ...fromSeed(servers.nkey.trim(), seedFault("nkey")) };
  return login;
}

/** Every fault of a login's files, each with its key, e.g. `tls.cert`. */
export async function loginFaults(servers: NatsServers): Promise<{ key: string; message: string }[]> {
  const { credentials, nkeyFile, ca, cert, key } = servers.files;
  const none = { ...servers, files: {}, nkey: undefined };
  const trials: NatsServers[] = [
    { ...none, files: { credentials } },
    { ...none, files: { nkeyFile } },
    { ...none, nkey: servers.nkey },
    { ...none, files: { ca } },
    { ...none, files: { cert, key } },
  ];
  const found = await Promise.all(trials.map((trial) => readLogin(trial).then(() => undefined, faultOf)));
  return found.filter((one) => one !== undefined);
}

/** Options of a TLS socket to one server; the certificate is checked against the name, or the address, dialled. */
export function tlsOptions(tls: TlsMaterial, server: NatsServer) {
  const { serverName, handshakeFirst, ...material } = tls;
  const servername = serverName ?? server.tlsName ?? (isIP(server.host) ? "" : server.host);
  return { ...material, host: server.host, servername };
}

class LoginError extends InputError {
  constructor(
    readonly key: string,
    message: string,
  ) {
    super("nats-login", message);
  }
}

function faultOf(error: unknown): { key: string; message: string } {
  if (error instanceof LoginError) return { key: error.key, message: error.message };
  throw error;
}

const fault = (file: LoginFile) => (what: string) =>
  new LoginError(file.key, `${file.key} ${redact(file.path)} ${what}`);

const seedFault = (key: string) => (what: string) => new LoginError(key, `${key} ${what}`);

/** Far above any certificate bundle. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

async function textOf(file: LoginFile): Promise<string> {
  if (/[\r\n\0]/.test(file.path))
    throw new LoginError(file.key, `${file.key} holds more than a path; give the path of a file`);
  let bytes: Buffer;
  try {
    bytes = await readFile(file.resolved, { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    throw fault(file)(`${systemPredicate(error)}; ${systemAdvice(error)}`);
  }
  if (bytes.length === 0) throw fault(file)("is empty; write it again");
  if (bytes.length > MAX_FILE_BYTES) throw fault(file)("is too large to be one; correct the path");
  return bytes.toString("utf8");
}

const BLOCK = /-{3,}\s*BEGIN [^\n]*?-{3,}\s*\n\s*(\S+)\s*\n\s*-{3,}\s*END /g;

async function readCredentials(file: LoginFile): Promise<Pick<Login, "authenticator" | "by" | "expires">> {
  const text = (await textOf(file)).replace(/\r\n/g, "\n");
  const broken = () => fault(file)("does not hold a user JWT and its seed; have the credentials generated again");
  const [jwt, seed] = [...text.matchAll(BLOCK)].map((match) => match[1]!);
  if (jwt === undefined || seed === undefined) throw broken();
  let exp: unknown;
  try {
    ({ exp } = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8")));
  } catch {
    throw broken();
  }
  fromSeed(seed, broken);
  return {
    authenticator: jwtAuthenticator(jwt, Buffer.from(seed)),
    by: { kind: "credentials", file },
    ...(typeof exp === "number" && exp > 0 && { expires: new Date(exp * 1000) }),
  };
}

/** The seed among the lines of a file: `nk` writes it alone, `nsc` between two marks. */
const seedIn = (text: string): string => text.split(/\s+/).find((word) => /^S[A-Z2-7]{50,}$/.test(word)) ?? "";

function fromSeed(seed: string, fault: (what: string) => Error): Pick<Login, "authenticator" | "by"> {
  try {
    const bytes = Buffer.from(seed);
    const publicKey = nkeys.fromSeed(bytes).getPublicKey();
    if (publicKey.startsWith("U")) return { authenticator: nkeyAuthenticator(bytes), by: { kind: "nkey", publicKey } };
  } catch {
    // The same sentence as for a seed of another kind.
  }
  throw fault("is not the seed of a user, which begins with SU and has 58 characters; correct it");
}

async function readTls({ files, secure }: NatsServers): Promise<TlsMaterial> {
  const { handshakeFirst, serverName } = secure ?? {};
  const material: TlsMaterial = { ...(handshakeFirst && { handshakeFirst }), ...(serverName && { serverName }) };
  if (files.ca) {
    material.ca = await textOf(files.ca);
    certificatesIn(material.ca, files.ca);
  }
  if (!files.cert || !files.key) return material;
  material.cert = await textOf(files.cert);
  const [own] = certificatesIn(material.cert, files.cert);
  material.key = await textOf(files.key);
  if (!own!.checkPrivateKey(privateKey(material.key, files.key))) {
    throw fault(files.key)(`is not the key of tls.cert ${files.cert.path}; give the two that belong together`);
  }
  return material;
}

function certificatesIn(text: string, file: LoginFile): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // The same sentence as for a file without any.
  }
  throw fault(file)("holds no certificate that can be read; give it as PEM");
}

function privateKey(text: string, file: LoginFile): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const locked = (error as NodeJS.ErrnoException).code === "ERR_MISSING_PASSPHRASE" || /ENCRYPTED/.test(text);
    throw fault(file)(
      locked
        ? "is encrypted; give a key without a passphrase"
        : "holds no private key that can be read; give it as PEM",
    );
  }
}
