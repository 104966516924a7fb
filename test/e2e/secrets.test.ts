import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect } from "nats";
import { expect, it } from "vitest";
import { runCli } from "../cli/run-cli.js";
import { freePort, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { INSPECTION, startWorker, temporaryFolder, writeConfig } from "./worker.js";

/** Twenty dead sources on a busy machine. */
const LONG_MS = 60_000;

/** Each is told from the others by its number. */
let planted = 0;
const secret = (around = ""): string => `Zq${around}9Geheim${String(++planted).padStart(3, "0")}x`;
const LEAK = /.{0,40}9Geheim\d{3}.{0,20}/g;

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name as string))
    .filter((file) => statSync(file).isFile());

const CAMERAS = (host: string): Record<string, object> => ({
  login: { url: `rtsp://admin:${secret()}@${host}/stream?token=${secret()}` },
  blank: { url: `rtsp://admin:${secret(" my secret ")}@${host}/x` },
  nobreak: { url: `http://admin:${secret("\u00a0")}@${host}/x.mjpg` },
  quotes: { url: `http://admin:${secret("'\"<@")}@${host}/x.mjpg` },
  encoded: { url: `rtsp://admin:${encodeURIComponent(secret("/?#@ é%"))}@${host}/x` },
  camel: { url: `http://${host}/live.m3u8?accessToken=${secret()}&sessionKey=${secret()}&channel=1` },
  query: { url: `http://${host}/snap?pwd=${secret("top ")}&loginuse=${secret()}&loginpas=${secret()}&pw=${secret()}` },
  signed: { url: `http://${host}/a.m3u8?Policy=${secret()}&Signature=${secret()}&Key-Pair-Id=${secret()}&Expires=1` },
  hashed: { url: `http://${host}/a.m3u8?wowzatokenhash=${secret()}&md5=${secret()}&st=${secret()}&hash=${secret()}` },
  key: { url: `rtmp://${host}/live/${secret()}` },
  path: { url: `rtsp://${host}/user=admin&password=${secret()}&channel=1` },
  inside: { url: `http://${host}/admin:${secret()}@cam/x.m3u8` },
  srt: { url: `srt://${host}?passphrase=${secret()}&streamid=${secret()}` },
  environment: { url: `http://${host}/\${CAMERA_TOKEN}/live.m3u8` },
  options: {
    url: `http://${host}/x.m3u8`,
    inputOptions: [
      ...["-headers", `Authorization: Bearer ${secret()}\r\nX-Camera-Key: ${secret()}\r\n`],
      ...["-cookies", `sid=${secret()}; path=/`, `-user_agent ${secret()}`, "-referer", `http://h/?x=${secret()}`],
      ...["-http_proxy", `http://proxy:${secret()}@127.0.0.1:1`, "-post_data", secret()],
    ],
  },
  streamKey: { url: `rtmp://${host}/live`, inputOptions: ["-rtmp_conn", `S:${secret()}`, "-rtmp_playpath", secret()] },
  srtp: { url: `rtsp://${host}/x`, inputOptions: ["-srtp_in_params", secret(), `-cryptokey ${secret()}`] },
  unknown: { url: `http://${host}/x.mjpg`, inputOptions: ["-an_option_to_come", secret()] },
});

it(
  "no secret of any kind, wherever it stands, is in anything that the worker writes",
  async () => {
    const login = { user: "worker", password: secret() };
    const nats = await startNatsServer({
      config: `authorization { user: "${login.user}", password: "${login.password}" }`,
    });
    const dead = await freePort();
    const env = { NATS_PASSWORD: login.password, CAMERA_TOKEN: secret() };
    const files = temporaryFolder();
    const viewer = { port: await freePort(), token: secret() };
    const sources = Object.entries(CAMERAS(`127.0.0.1:${dead}`)).map(([name, source]) => ({ name, ...source }));
    const config = {
      station: "desk",
      model: INSPECTION,
      sources,
      sinks: [
        // biome-ignore lint/suspicious/noTemplateCurlyInString: of the configuration
        { kind: "nats", servers: [nats.url], user: login.user, password: "${NATS_PASSWORD}" },
        { kind: "nats", servers: [`nats://other:${secret()}@127.0.0.1:${dead}`], prefix: "second", service: [] },
        { kind: "nats", servers: [`nats://${secret()}@127.0.0.1:${dead}`], prefix: "third", service: [] },
        { kind: "viewer", ...viewer },
        { kind: "files", path: files, publish: ["summary", "status"] },
        { kind: "stdout", publish: ["summary", "status"] },
      ],
      log: { level: "debug" },
    };
    const written: Record<string, string> = {};
    try {
      const file = writeConfig(config);
      const validated = await Promise.all([runCli(["validate", file], env), runCli(["validate", "--json", file], env)]);
      written.validate = JSON.stringify(validated);
      expect(validated.map(({ code }) => code)).toEqual([0, 0]);
      const wrong = writeConfig({
        ...config,
        metrics: { port: "x" },
        sources: [...sources, { name: "!", url: `rtsp://a:${secret()}@h/\u0001` }],
      });
      written.faults = JSON.stringify(await runCli(["validate", wrong], env));

      const nc = await connect({ servers: nats.url, user: login.user, pass: login.password });
      let heard = "";
      const isRequest = (subject: string): boolean => subject.startsWith("video-explainer.desk.");
      nc.subscribe(">", {
        callback: (_, m) => (heard += isRequest(m.subject) ? "" : `${m.subject} ${m.headers ?? ""} ${m.string()}\n`),
      });
      const worker = startWorker(file, env);
      const each = (): boolean => sources.every(({ name }) => failed(worker.stdout, name));
      await until("each source to have failed", () => worker.isOver || each(), LONG_MS);
      expect(worker.isOver, worker.said.join("\n")).toBe(false);
      const ask = async (endpoint: string, body: object = {}): Promise<void> => {
        const answer = await nc.request(`video-explainer.desk.${endpoint}`, JSON.stringify(body), { timeout: LONG_MS });
        written[endpoint] = `${written[endpoint] ?? ""}${answer.headers} ${answer.string()}`;
      };
      await ask("sources.add", {
        name: "late",
        url: `rtsp://me:${secret("a b")}@127.0.0.1:${dead}/s?authKey=${secret()}`,
      });
      await ask("sources.add", { name: "wrong", url: `rtsp://me:${secret("/")}@127.0.0.1:${dead}/s` });
      await ask("sources.add", { name: "login", url: `http://127.0.0.1:${dead}/?pass=${secret()}` });
      await ask("sources.list");
      await ask("config.get");
      await ask("config.set", { overlay: { opacity: 0.5 }, password: secret() });
      for (const page of ["/metrics", "/readyz", "/healthz"]) {
        const get = async (): Promise<boolean> => {
          written[page] = (await worker.get(page).catch(() => undefined))?.text ?? "";
          return written[page] !== "";
        };
        await until(`an answer at ${page}`, get, LONG_MS);
      }
      written.page = await (await fetch(`http://127.0.0.1:${viewer.port}/`)).text();
      worker.kill("SIGTERM");
      await worker.ended;
      await nc.close();
      written.nats = heard;
      Object.assign(written, {
        stdout: worker.stdout,
        log: JSON.stringify(worker.log),
        stderr: worker.said.join("\n"),
      });
      for (const each of filesOf(files)) written[each] = readFileSync(each, "utf8");
    } finally {
      await nats.stop();
    }
    const leaks = Object.entries(written).flatMap(([where, text]) =>
      [...text.matchAll(LEAK)].map(([found]) => `${where}: ${found}`),
    );
    expect([...new Set(leaks)].slice(0, 20)).toEqual([]);
    for (const where of ["log", "nats", "sources.list", "validate"]) expect(written[where]).toContain("***");
    expect(written["sources.add"]).toMatch(/percent-encode/);
  },
  3 * LONG_MS,
);

/** Whether a status said that a source failed, whatever the order of its keys. */
function failed(lines: string, name: string): boolean {
  return lines.split("\n").some((line) => line.includes(`"source":"${name}"`) && line.includes('"state":"failed"'));
}
