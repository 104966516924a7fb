import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, nkeys } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natsSinkSchema } from "../../../src/config/schema.js";
import { loginFaults } from "../../../src/sinks/nats/login.js";
import { readServers } from "../../../src/sinks/nats/servers.js";
import { type Authority, makeAuthority } from "../../support/certificates.js";
import { makeNkey, makeOperator } from "../../support/nats-credentials.js";
import { freePort } from "../../support/nats-server.js";
import { cleanUps, connectedSink, start } from "../../support/nats-sink.js";
import { message, outcome, until } from "../../support/sinks.js";
import { startTlsFront } from "../../support/tls-front.js";

let authority: Authority;
let stranger: Authority;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "nats-login-"));
  [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
  await authority.sign("server", "IP:127.0.0.1, DNS:localhost");
  await authority.sign("elsewhere", "DNS:broker.example.org");
  await authority.sign("expired", "IP:127.0.0.1", -5);
  await authority.sign("worker", "DNS:worker");
  await stranger.sign("worker", "DNS:worker");
});
afterAll(async () => {
  await Promise.all([authority.remove(), stranger.remove(), rm(folder, { recursive: true, force: true })]);
});

const sinkFor = (more: object) => connectedSink(more, folder);

const publishes = async (more: object): Promise<void> => {
  const { sink, recorded } = await sinkFor(more);
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await until("the confirmation", () => recorded.published.length === 1 || recorded.errors.length > 0);
  expect(recorded.errors).toEqual([]);
  await sink.close(1000);
};

const reasonOf = async (more: object): Promise<string> => {
  const { sink, recorded } = await sinkFor(more);
  await until("the reason", () => recorded.errors.length > 0);
  return sink.status().reason ?? "";
};

const put = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return name;
};

const serverTls = (name = "server", more = "") =>
  `tls { cert_file: "${join(authority.folder, `${name}.pem`)}", key_file: "${join(authority.folder, `${name}.key`)}", ${more} }`;
const clientTls = (of: Authority, name = "worker") => ({
  ca: authority.ca,
  cert: join(of.folder, `${name}.pem`),
  key: join(of.folder, `${name}.key`),
});

describe("a password or token", () => {
  it("publishes, and a wrong one or none at all is one sentence", async () => {
    const password = await start({ config: `authorization { user: "me", password: "s3cret!" }` });
    const token = await start({ config: `authorization { token: "t0ken-s3cret" }` });
    await publishes({ servers: [password.url], user: "me", password: "s3cret!" });
    await publishes({ servers: [token.url], token: "t0ken-s3cret" });
    const refused = "refuses the credentials; correct user and password, or token";
    expect(await reasonOf({ servers: [password.url], user: "me", password: "other" })).toContain(refused);
    expect(await reasonOf({ servers: [token.url], token: "other" })).toContain(refused);
    expect(await reasonOf({ servers: [token.url] })).toContain(
      "wants a login; set user and password, token, credentials or nkey",
    );
  });
});

describe("an nkey", () => {
  it("logs in from the configuration and from a file, and the seed is shown nowhere", async () => {
    const { seed, publicKey } = makeNkey();
    const { url, ...server } = await start({ config: `authorization { users = [ { nkey: ${publicKey} } ] }` });
    await publishes({ servers: [url], nkey: seed });
    await publishes({ servers: [url], nkeyFile: await put("plain.nk", `${seed}\n`) });
    const marked = `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    const { sink, recorded } = await sinkFor({ servers: [url], nkeyFile: await put("marked.nk", marked) });
    await until("the connection", () => sink.status().connected);
    await server.kill();
    await until("the loss", () => !sink.status().connected);
    expect(JSON.stringify([recorded, sink.status()])).not.toContain(seed);
  });

  it("that the server does not know is one sentence with the public key", async () => {
    const { url } = await start({ config: `authorization { users = [ { nkey: ${makeNkey().publicKey} } ] }` });
    const { seed, publicKey } = makeNkey();
    const reason = await reasonOf({ servers: [url], nkey: seed });
    expect(reason).toMatch(
      new RegExp(
        `^NATS server 127.0.0.1:\\d+ refuses the nkey with public key ${publicKey}; add it to the users there`,
      ),
    );
  });
});

describe("credentials", () => {
  it("log in, with line ends of either kind", async () => {
    const operator = makeOperator();
    const { url } = await start({ config: operator.config() });
    const { creds } = operator.user(new Date(Date.now() + 3_600_000));
    await publishes({ servers: [url], credentials: await put("worker.creds", creds) });
    await publishes({ servers: [url], credentials: await put("crlf.creds", creds.replaceAll("\n", "\r\n")) });
  });

  it("that are unknown, revoked or expired each give their sentence", async () => {
    const operator = makeOperator();
    const revoked = operator.user();
    const { url } = await start({ config: operator.config([revoked.publicKey]) });
    const reason = async (creds: string) => reasonOf({ servers: [url], credentials: await put("a.creds", creds) });
    const unknown = "refuses credentials a.creds: their user or account is not known there or was revoked";
    expect(await reason(makeOperator().user().creds)).toContain(unknown);
    expect(await reason(revoked.creds)).toContain(unknown);
    expect(await reason(operator.user(new Date("2024-05-06T07:08:09Z")).creds)).toContain(
      "refuses credentials a.creds, which expired at 2024-05-06T07:08:09.000Z; have new ones generated",
    );
  });

  it("that expire while connected are said, and new ones in the same file are taken", async () => {
    const operator = makeOperator();
    const { url } = await start({ config: operator.config() });
    const { creds } = operator.user(new Date(Date.now() + 3000));
    const { sink, recorded } = await sinkFor({ servers: [url], credentials: await put("short.creds", creds) });
    await until("the connection", () => sink.status().connected);
    await until("the expiry", () => !sink.status().connected);
    expect(recorded.errors[0]).toMatch(/was lost: NATS server .* refuses credentials short\.creds, which expired at /);
    await sink.write(outcome(message("summary", "cam-1", 0)));
    await put("next.creds", operator.user().creds);
    await rename(join(folder, "next.creds"), join(folder, "short.creds"));
    await until("the message", () => recorded.published.length === 1);
  });
});

describe("TLS", () => {
  it("publishes with an authority of one's own, and with a certificate of the worker's", async () => {
    const plain = await start({ config: serverTls() });
    await publishes({ servers: [plain.url], tls: { ca: authority.ca } });
    await publishes({ servers: [plain.url.replace("nats:", "tls:")], tls: { ca: authority.ca } });
    const strict = await start({ config: serverTls("server", `ca_file: "${authority.ca}", verify: true`) });
    await publishes({ servers: [strict.url], tls: clientTls(authority) });
  });

  it("goes beside every other login", async () => {
    const { seed, publicKey } = makeNkey();
    const users = `users = [ { nkey: ${publicKey} }, { user: me, password: "s3cret!" } ]`;
    const { url } = await start({ config: `${serverTls()}\nauthorization { ${users} }` });
    await publishes({ servers: [url], tls: { ca: authority.ca }, nkey: seed });
    await publishes({ servers: [url], tls: { ca: authority.ca }, user: "me", password: "s3cret!" });
  });

  it("takes a certificate for another name when the configuration says that name", async () => {
    const { url } = await start({ config: serverTls("elsewhere") });
    await publishes({ servers: [url], tls: { ca: authority.ca, serverName: "broker.example.org" } });
    expect(await reasonOf({ servers: [url], tls: { ca: authority.ca } })).toMatch(
      /^the certificate of NATS server 127\.0\.0\.1:\d+ is for another host name; correct servers, or set tls\.serverName/,
    );
  });

  it("reaches the other members of a cluster under the name that was dialled", async () => {
    await authority.sign("member", "DNS:localhost");
    const routes = [await freePort(), await freePort()];
    const member = (i: number) =>
      start({
        config: `${serverTls("member")}\ncluster { name: c, listen: "127.0.0.1:${routes[i]}", routes: ["nats://127.0.0.1:${routes[1 - i]}"] }`,
      });
    const [one, two] = [await member(0), await member(1)];
    const tls = { ca: authority.ca };
    await until("the cluster", async () => {
      const nc = await connect({ servers: `localhost:${one.port}`, tls: { caFile: authority.ca } });
      const members = nc.info?.connect_urls?.length ?? 0;
      await nc.close();
      return members === 2;
    });
    const { sink, recorded } = await sinkFor({ servers: [`tls://localhost:${one.port}`], tls });
    await until("the connection", () => sink.status().connected);
    await one.kill();
    await until("the loss", () => !sink.status().connected);
    await sink.write(outcome(message("summary", "cam-1", 0)));
    await until("the message", () => recorded.published.length === 1);
    expect(recorded.log.at(-1)).toContain(`connected to 127.0.0.1:${two.port}`);
  });

  it("that begins before the greeting works where the server does so, and is said where it does not", async () => {
    const server = await start();
    const front = await startTlsFront(server.port, await authority.sign("front", "IP:127.0.0.1"));
    cleanUps.push(() => front.close());
    const first = { ca: authority.ca, handshakeFirst: true };
    await publishes({ servers: [`127.0.0.1:${front.port}`], tls: first });
    expect(await reasonOf({ servers: [`127.0.0.1:${front.port}`], tls: { handshakeFirst: true } })).toContain(
      "is not signed by an authority trusted here; set tls.ca",
    );
    expect(await reasonOf({ servers: [`127.0.0.1:${front.port}`], tls: { ca: authority.ca } })).toContain(
      "closed the connection at once; set tls.handshakeFirst if it begins with TLS",
    );
    expect(await reasonOf({ servers: [server.url], tls: first })).toContain(
      "does not begin with TLS; leave tls.handshakeFirst out",
    );
  });

  it("with a wrong authority, an expired certificate or none at all is one sentence", async () => {
    const good = await start({ config: serverTls() });
    const untrusted = "is not signed by an authority trusted here; set tls.ca to its authority's certificate";
    expect(await reasonOf({ servers: [good.url], tls: { ca: stranger.ca } })).toContain(untrusted);
    expect(await reasonOf({ servers: [good.url.replace("nats:", "tls:")] })).toContain(untrusted);
    const old = await start({ config: serverTls("expired") });
    expect(await reasonOf({ servers: [old.url], tls: { ca: authority.ca } })).toContain("has expired; renew it there");
    const open = await start();
    expect(await reasonOf({ servers: [open.url], tls: { ca: authority.ca } })).toContain("does not encrypt");
  });

  it("with a client certificate that is missing or refused is one sentence", async () => {
    const strict = await start({ config: serverTls("server", `ca_file: "${authority.ca}", verify: true`) });
    expect(await reasonOf({ servers: [strict.url], tls: { ca: authority.ca } })).toContain(
      "asks for a certificate of its clients; set tls.cert and tls.key",
    );
    for (const wrong of [clientTls(stranger), clientTls(authority, "expired")]) {
      expect(await reasonOf({ servers: [strict.url], tls: wrong })).toContain("refuses the certificate of tls.cert");
    }
  });
});

describe("a login's files", () => {
  const faults = (more: object) => {
    const config = natsSinkSchema.parse({ kind: "nats", ...more });
    return loginFaults(readServers(config, folder)).then((found) => found.map(({ message }) => message));
  };

  it("are each named with what is wrong, all at once and without a secret", async () => {
    await put("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await put("empty", "");
    const { seed } = makeNkey();
    const foreign = nkeys.createAccount();
    const wrongKind = Buffer.from(foreign.getSeed()).toString();
    const seedSentence = "is not the seed of a user, which begins with SU and has 58 characters; correct it";
    expect(await faults({ nkey: `${seed.slice(0, -1)}!` })).toEqual([`nkey ${seedSentence}`]);
    expect(await faults({ nkey: wrongKind })).toEqual([`nkey ${seedSentence}`]);
    expect(await faults({ nkeyFile: "garbage" })).toEqual([`nkeyFile garbage ${seedSentence}`]);
    expect(await faults({ nkeyFile: seed })).toEqual(["nkeyFile *** does not exist; correct the path"]);
    expect(await faults({ credentials: "." })).toEqual(["credentials . is a folder; give the file in it"]);
    expect(await faults({ credentials: makeOperator().user().creds })).toEqual([
      "credentials holds more than a path; give the path of a file",
    ]);
    expect(await faults({ credentials: "garbage" })).toEqual([
      "credentials garbage does not hold a user JWT and its seed; have the credentials generated again",
    ]);
    const key = join(authority.folder, "server.key");
    const { cert } = clientTls(authority);
    expect(await faults({ tls: { ca: "none.pem", cert, key } })).toEqual([
      "tls.ca none.pem does not exist; correct the path",
      `tls.key ${key} is not the key of tls.cert ${cert}; give the two that belong together`,
    ]);
    expect(await faults({ tls: { ca: "garbage", cert: "empty", key } })).toEqual([
      "tls.ca garbage holds no certificate that can be read; give it as PEM",
      "tls.cert empty is empty; write it again",
    ]);
    expect(await faults({ tls: { cert, key: cert } })).toEqual([
      `tls.key ${cert} holds no private key that can be read; give it as PEM`,
    ]);
    const locked = generateKeyPairSync("ec", {
      namedCurve: "prime256v1",
      privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    expect(await faults({ tls: { cert, key: await put("locked.key", locked.privateKey) } })).toEqual([
      "tls.key locked.key is encrypted; give a key without a passphrase",
    ]);
    expect(await faults({ nkey: seed, tls: clientTls(authority) })).toEqual([]);
  });
});

it("a file that goes missing or breaks is the reason in the status, and is taken again once it is whole", async () => {
  const { seed, publicKey } = makeNkey();
  const port = await freePort();
  const config = `authorization { users = [ { nkey: ${publicKey} } ] }`;
  const first = await start({ port, config });
  const nkeyFile = await put("kept.nk", seed);
  const { sink, recorded } = await sinkFor({ servers: [first.url], nkeyFile });
  await until("the connection", () => sink.status().connected);
  await rm(join(folder, nkeyFile));
  await first.kill();
  await until("the file to be missed", () => sink.status().reason?.includes("kept.nk") === true);
  expect(sink.status().reason).toBe("nkeyFile kept.nk does not exist; correct the path");
  await put(nkeyFile, "not a seed");
  await until("the file to be found wrong", () => sink.status().reason?.includes("seed of a user") === true);
  await start({ port, config });
  await sink.write(outcome(message("summary", "cam-1", 0)));
  await put(nkeyFile, seed);
  await until("the message", () => recorded.published.length === 1);
});
