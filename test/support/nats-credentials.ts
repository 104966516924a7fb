import { createHash } from "node:crypto";
import { nkeys } from "nats";

const seedOf = (pair: { getSeed(): Uint8Array }): string => Buffer.from(pair.getSeed()).toString();

/** An nkey of a user. */
export function makeNkey(): { seed: string; publicKey: string } {
  const pair = nkeys.createUser();
  return { seed: seedOf(pair), publicKey: pair.getPublicKey() };
}

type Pair = ReturnType<typeof nkeys.createUser>;
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JWT as NATS wants it, signed by `issuer`. */
function jwt(issuer: Pair, subject: string, name: string, nats: object, expires?: Date): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000) - 60,
    iss: issuer.getPublicKey(),
    sub: subject,
    name,
    nats: { version: 2, ...nats },
    ...(expires && { exp: Math.floor(expires.getTime() / 1000) }),
  };
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("hex").toUpperCase();
  const signed = `${encoded({ typ: "JWT", alg: "ed25519-nkey" })}.${encoded({ ...claims, jti })}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}

/** An operator with one account: lines for a server's configuration, and .creds files for users. */
export function makeOperator() {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const unlimited = { subs: -1, data: -1, payload: -1 };
  /** `revoked` holds public keys of users. */
  const config = (revoked: string[] = []): string => {
    const limits = { ...unlimited, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
    const revocations = Object.fromEntries(revoked.map((key) => [key, Math.floor(Date.now() / 1000) + 60]));
    const claims = { type: "account", limits, ...(revoked.length > 0 && { revocations }) };
    return [
      `operator: ${jwt(operator, operator.getPublicKey(), "operator", { type: "operator" })}`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: ${jwt(operator, account.getPublicKey(), "account", claims)} }`,
    ].join("\n");
  };
  /** `payload`: what a message may have at most, in bytes. */
  const user = (expires?: Date, payload = -1) => {
    const pair = nkeys.createUser();
    const token = jwt(account, pair.getPublicKey(), "worker", { type: "user", ...unlimited, payload }, expires);
    const creds = [
      "-----BEGIN NATS USER JWT-----",
      token,
      "------END NATS USER JWT------",
      "",
      "************************* IMPORTANT *************************",
      "",
      "-----BEGIN USER NKEY SEED-----",
      seedOf(pair),
      "------END USER NKEY SEED------",
      "",
    ].join("\n");
    return { creds, publicKey: pair.getPublicKey(), seed: seedOf(pair) };
  };
  return { config, user };
}
