import { NatsError } from "nats";
import type { Login } from "./login.js";
import type { NatsServer } from "./servers.js";

/** One sentence without credentials: which server, what is wrong, what to do. */
export function connectionFault(error: unknown, server: NatsServer, login: Login): string {
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
export const isAuthFault = (error: unknown): boolean => error instanceof NatsError && AUTH_FAULTS.has(error.code);
