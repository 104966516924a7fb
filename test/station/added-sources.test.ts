import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { configSchema, SOURCE_KIND_NAMES } from "../../src/config/schema.js";
import { hostOf, inRange, isInternal, isMulticast } from "../../src/pipeline/hosts.js";
import { SOURCE_KINDS } from "../../src/pipeline/index.js";
import { type AddedSources, checkAdded } from "../../src/station/added-sources.js";
import { config, temporaryFolder } from "../pipeline/helpers.js";

const root = temporaryFolder();
const rules = (changed: Partial<AddedSources> = {}): AddedSources => ({
  ...configSchema.shape.control.parse({}).sources,
  ...changed,
});
/** Why a source may not be added; null where it may. */
const refusal = (url: string, changed: Partial<AddedSources> = {}): Promise<string | null> =>
  checkAdded(config({ url }), rules(changed), root).then(
    () => null,
    (error: Error) => error.message,
  );

test("the configuration knows every kind of source by its name", () => {
  expect([...SOURCE_KIND_NAMES].sort()).toEqual(SOURCE_KINDS.map(({ name }) => name).sort());
});

test("requests may name no file of truth, wherever it lies", async () => {
  const source = config({ url: "testsrc", truth: "open/truth.csv" });
  await expect(checkAdded(source, rules({ folders: ["open"] }), root)).rejects.toThrow(
    /^truth names a file, which requests may not; leave it out$/,
  );
});

describe("by default requests may open", () => {
  test.for([
    "rtsp://10.0.0.9/stream1",
    "rtsp://admin:p@ss@192.168.1.20:8554/a?b=c",
    "rtsps://[2001:db8::1]:322/x",
    "rtmp://203.0.113.5/live/x",
    "http://192.0.2.7/live.m3u8?listen=1",
    "https://192.0.2.7/live.m3u8",
    "srt://10.0.0.9:9000?mode=caller",
    "srt://10.0.0.9:9000",
    "tcp://10.0.0.9:5000",
    "udp://239.0.0.1:5000",
    "udp://@239.0.0.1:5000",
    "testsrc",
    // A name that means nothing now: it is asked again when it is connected to.
    `rtsp://${"x".repeat(70)}/stream1`,
  ])("%s", async (url) => {
    expect(await refusal(url)).toBeNull();
  });
});

describe("by default requests may not open", () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const itself = own.filter(({ family }) => family === "IPv4").map(({ address }) => `http://${address}:9090/metrics`);
  test.for([
    "http://127.0.0.1:9090/metrics",
    "http://localhost:8080/",
    "http://LOCALHOST/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[fe80::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/",
    "rtsp://a:b@127.0.0.1:22/x",
    "rtsp://10.0.0.9:554@127.0.0.1/x",
    "rtmp://127.0.0.1/live/x",
    "srt://127.0.0.1:9000",
    ...itself,
  ])("this machine or what is next to it: %s", async (url) => {
    expect(await refusal(url)).toMatch(
      /which is this machine or a link-local address, and requests may not open those/,
    );
  });

  test.for([
    "tcp://10.0.0.9:5000?listen",
    "tcp://10.0.0.9:5000?timeout=1&listen=1",
    "tcp://10.0.0.9:5000/x?%6cisten=1",
    "tcp://0.0.0.0:5000?listen=1",
    "srt://10.0.0.9:9000?mode=listener",
    "srt://10.0.0.9:9000?latency=1&mode=rendezvous",
    "srt://0.0.0.0:9000?mode=listener",
    "udp://0.0.0.0:5000",
    "udp://127.0.0.1:5000",
    "udp://10.0.0.9:5000",
    "udp://:5000",
  ])("a port of the worker's: %s", async (url) => {
    expect(await refusal(url)).toMatch(/^url would open a port of the worker's/);
    expect(await refusal(url, { listen: true })).toBeNull();
  });

  test.for([
    "rtsp:///x",
    "http://",
    "tcp://:5000",
    "http://10.0.0.9\\@127.0.0.1/",
    "http://10.0.0.9 127.0.0.1/",
    "http://[fe80::1%25eth0]/",
  ])("an address without a host: %s", async (url) => {
    expect(await refusal(url)).toMatch(/^url names no host/);
  });

  test("cameras of this machine", async () => {
    expect(await refusal("/dev/video0")).toMatch(/^url is a source of kind v4l2/);
    expect(await refusal("v4l2:///dev/video0")).toMatch(/^url is a source of kind v4l2/);
    expect(await refusal("/dev/video0", { kinds: ["v4l2"] })).toBeNull();
  });
});

describe("of the files of this machine requests", () => {
  const at = (name: string): string => join(root, name);
  mkdirSync(at("open/day"), { recursive: true });
  mkdirSync(at("open-too"));
  mkdirSync(at("closed"));
  for (const film of ["open/a.mp4", "open/day/1.jpg", "open-too/b.mp4", "closed/secret.mp4", "closed/1.jpg"]) {
    writeFileSync(at(film), "x");
  }
  symlinkSync(at("closed/secret.mp4"), at("open/link.mp4"));
  symlinkSync(at("closed"), at("open/folder"));
  symlinkSync(at("open"), at("other-name"));

  const closed = [
    "closed/secret.mp4",
    "closed/gone.mp4",
    "closed",
    "nowhere/x.mp4",
    "closed/*.jpg",
    "nowhere/*.jpg",
    "*/1.jpg",
    "/etc/passwd",
    "/etc/no-such-file",
    "file:///etc/passwd",
    "../x.mp4",
    "open/../closed/secret.mp4",
    "open-too/b.mp4",
    "open/link.mp4",
    "open/folder",
    "open/folder/secret.mp4",
    "open/folder/gone.mp4",
    "open/*/1.jpg",
    "pipe:0",
    "concat:a.ts|b.ts",
  ];
  test("may open none by default, and are not told what there is", async () => {
    const said = await Promise.all(["open/a.mp4", ...closed].map((url) => refusal(url)));
    expect(new Set(said)).toEqual(
      new Set([
        "url names a file or folder that requests may not open; control.sources.folders in the configuration says which they may",
      ]),
    );
  });

  test("may open those in the folders that are named, wherever links lead", async () => {
    const folders = ["open"];
    for (const url of [
      "open/a.mp4",
      `file://${at("open/a.mp4")}`,
      "open",
      "open/day",
      "open/day/*.jpg",
      "other-name/a.mp4",
      "open/gone.mp4",
    ]) {
      expect(await refusal(url, { folders }), url).toBeNull();
    }
    const said = await Promise.all(closed.map((url) => refusal(url, { folders })));
    expect(new Set(said).size).toBe(1);
    expect(await refusal("open/a.mp4", { folders: [at("other-name")] })).toBeNull();
    expect(await refusal("open/a.mp4", { folders, kinds: ["rtsp"] })).toMatch(/^url is a source of kind file/);
  });
});

describe("hosts that are named are the only ones,", () => {
  test.for([
    ["10.0.0.0/8", "rtsp://10.2.3.4/x", "rtsp://11.0.0.1/x"],
    ["10.0.0.5", "rtsp://10.0.0.5/x", "rtsp://10.0.0.6/x"],
    ["2001:db8::/32", "rtsp://[2001:db8::9]/x", "rtsp://[2001:db9::9]/x"],
    ["127.0.0.0/8", "http://localhost:80/", "http://10.0.0.9/"],
    ["*.cams.invalid", "rtsp://a.cams.invalid/x", "rtsp://localhost/x"],
    ["gate.invalid", "rtsp://GATE.invalid/x", "rtsp://localhost/x"],
    ["*", "http://127.0.0.1/", "http://"],
  ] as const)("%s", async ([hosts, open, closed]) => {
    expect(await refusal(open, { hosts: [hosts] })).toBeNull();
    expect(await refusal(closed, { hosts: [hosts] })).toMatch(
      /which requests may not open; control\.sources\.hosts|names no host/,
    );
  });
});

test("the host of an address is read as ffmpeg reads it, whatever stands around it", () => {
  const part = fc.string({ unit: fc.constantFrom(..."abc019:@%.-_!$&'()*+,;="), maxLength: 12 });
  const tail = fc.string({ unit: fc.constantFrom(..."ab/?#@:.=&"), maxLength: 12 });
  fc.assert(
    fc.property(part, fc.ipV4(), fc.option(fc.nat(65535), { nil: undefined }), tail, (user, host, port, rest) => {
      const url = `http://${user}@${host}${port === undefined ? "" : `:${port}`}/${rest}`;
      expect(hostOf(url)).toBe(host);
    }),
    { seed: 7, numRuns: 500 },
  );
  expect(hostOf("http://10.0.0.1?@127.0.0.1/")).toBe("10.0.0.1");
  expect(hostOf("http://10.0.0.1#@127.0.0.1/")).toBe("10.0.0.1");
});

test("addresses of this machine and beside it are known in whatever way they are written", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), fc.nat(255), (b, c, d) => {
      for (const address of [
        `127.${b}.${c}.${d}`,
        `::ffff:127.${b}.${c}.${d}`,
        `169.254.${c}.${d}`,
        `0.${b}.${c}.${d}`,
      ]) {
        expect(isInternal(address), address).toBe(true);
      }
      expect(isInternal(`203.0.113.${d}`)).toBe(false);
      expect(isMulticast(`239.${b}.${c}.${d}`)).toBe(true);
      expect(inRange(`10.${b}.${c}.${d}`, "10.0.0.0/8")).toBe(true);
    }),
    { seed: 7, numRuns: 50 },
  );
  for (const none of ["camera.local", "10.0.0.0/99", "10.0.0.0/x", "/8"]) expect(inRange("10.0.0.1", none)).toBe(false);
});
