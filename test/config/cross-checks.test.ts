import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";
import { ConfigError } from "../../src/errors.js";

const faultsOf = (sources: string, sinks: string, more = ""): string[] => {
  try {
    parseConfig(`model: { path: m }\nsources: [${sources}]\nsinks: [${sinks}]\n${more}\n`, "demo.yaml", {});
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => fault.message.replace(/^demo\.yaml:/, ""));
    throw error;
  }
  return [];
};

const CAM = "{ name: cam, url: a.mp4 }";
const OUT = "{ kind: stdout }";

const contradictions: [name: string, sources: string, sinks: string, more: string, fault: string | RegExp][] = [
  [
    "a choice of frames without a reason",
    CAM,
    OUT,
    "explain: { when: { changed: false } }",
    "4:18: explain.when chooses no frame; give it one of changed, below, margin, labels, everySeconds, every",
  ],
  [
    "each Nth frame beside a choice",
    CAM,
    OUT,
    "explain: { every: 3, when: { changed: true } }",
    "4:19: explain.every 3 and explain.when exclude each other; write explain.when.every instead",
  ],
  [
    "a margin to a class that is left out",
    CAM,
    OUT,
    "explain: { top: 1, when: { margin: 0.2 } }",
    "4:36: explain.when.margin needs the second class, which explain.top 1 leaves out; make that 2 or more",
  ],
  [
    "a sink that takes no frame",
    CAM,
    "{ kind: stdout, only: { explained: false } }",
    "",
    "3:31: sinks[0].only takes no frame; give it labels, below, changed or explained, or leave it out",
  ],
  [
    "two sources of one name",
    `${CAM}, { name: cam, url: b.mp4, fps: x }`,
    OUT,
    "",
    "2:46: sources[1].name is already the name of sources[0]; names must differ",
  ],
  [
    "loop on a live source",
    '{ name: a, url: "rtsp://h/s", loop: true }',
    OUT,
    "",
    "2:47: sources[0].loop has no meaning for a live source (rtsp); leave it out",
  ],
  [
    "pace on a camera",
    "{ name: a, url: /dev/video0, pace: fast }",
    OUT,
    "",
    "2:46: sources[0].pace has no meaning for a live source (device); leave it out",
  ],
  [
    "truth of a stream",
    '{ name: a, url: "srt://h:1", truth: a.csv }',
    OUT,
    "",
    "2:47: sources[0].truth has no meaning for a live source (srt); leave it out",
  ],
  [
    "transport of a film",
    "{ name: a, url: a.mp4, transport: udp }",
    OUT,
    "",
    "2:45: sources[0].transport is for rtsp:// sources only; leave it out",
  ],
  [
    "a region beyond the frame",
    "{ name: a, url: a.mp4, width: 100, region: { x: 50, y: 0, width: 51, height: 9 } }",
    OUT,
    "",
    /region reaches to x = 101, beyond the frame's width of 100/,
  ],
  [
    "answers to a station's topics",
    CAM,
    "{ kind: nats, prefix: a }, { kind: nats, prefix: b, inboxPrefixes: [_INBOX, a.line] }",
    "",
    /sinks\[1\]\.inboxPrefixes\[1\] a\.line would let who asks have answers stored/,
  ],
  [
    "answers as requests",
    CAM,
    "{ kind: nats, inboxPrefixes: [video-explainer] }",
    "",
    /inboxPrefixes\[0\] video-explainer would let/,
  ],
  [
    "two viewers on one port",
    CAM,
    "{ kind: viewer }, { kind: viewer, host: 0.0.0.0 }",
    "",
    /sinks\[1\]\.port 8080 is already taken by sinks\[0\]/,
  ],
  [
    "the viewer on the metrics' port",
    CAM,
    "{ kind: viewer, port: 9090 }",
    "",
    "3:31: sinks[0].port 9090 is also metrics.port; choose another for one of them",
  ],
  [
    "two NATS sinks alike",
    CAM,
    "{ kind: nats }, { kind: nats }",
    "",
    /sinks\[1\] publishes to the same servers and prefix as sinks\[0\]/,
  ],
  [
    "two sinks into one folder",
    CAM,
    "{ kind: files, path: out }, { kind: files, path: out/ }",
    "",
    /sinks\[1\]\.path is already the folder of sinks\[0\]/,
  ],
  [
    "a stream to a place that ffmpeg could, and shall not, write to",
    CAM,
    '{ kind: stream, url: "http://h/{source}" }',
    "",
    "3:30: sinks[0].url begins with http://; use one of rtsp://, rtsps://, rtmp://, rtmps://, srt://, or a folder for HLS",
  ],
  ["a stream to no host", CAM, '{ kind: stream, url: "rtsp:///{source}" }', "", "3:30: sinks[0].url names no host"],
  [
    "a stream address with a name that is not filled in",
    CAM,
    '{ kind: stream, url: "rtsp://h/{camera}/{source}" }',
    "",
    "3:30: sinks[0].url holds {camera}; only {station} and {source} are filled in",
  ],
  [
    "streams of all sources to one place",
    CAM,
    '{ kind: stream, url: "rtsp://h/live" }',
    "",
    "3:30: sinks[0].url must hold {source}, since each source has a stream of its own; or name a single one in `sources`",
  ],
  [
    "a stream of no source",
    CAM,
    '{ kind: stream, url: "rtsp://h/live", sources: [came] }',
    "",
    "3:56: sinks[0].sources names came, which is no source",
  ],
  [
    "HLS keys of a stream to a server",
    CAM,
    '{ kind: stream, url: "rtsp://h/{source}", mode: "0644" }',
    "",
    "3:57: sinks[0].mode is for HLS, and url is no folder; leave it out",
  ],
  [
    "a history without a stream",
    CAM,
    "{ kind: nats }, { kind: viewer, history: {} }",
    "",
    /sinks\[1\]\.history needs a nats sink with jetstream: true, whose stream is read; add one, or leave it out/,
  ],
  [
    "a history of a sink that is not there",
    CAM,
    "{ kind: nats, jetstream: true }, { kind: viewer, history: { sink: rejects } }",
    "",
    /sinks\[1\]\.history needs a nats sink named rejects with jetstream: true/,
  ],
  [
    "two streams to one place",
    CAM,
    '{ kind: stream, url: "out/{source}" }, { kind: stream, url: "out/{source}/" }',
    "",
    /sinks\[1\]\.url is already where sinks\[0\] pushes to/,
  ],
  ["two sinks on stdout", CAM, `${OUT}, ${OUT}`, "", /sinks\[1\] writes to stdout as sinks\[0\] does/],
  [
    "a stream without JetStream",
    CAM,
    "{ kind: nats, stream: { maxAgeSeconds: 600 } }",
    "",
    /stream has no effect without jetstream: true/,
  ],
  [
    "a duplicate window beyond the stream's age",
    CAM,
    "{ kind: nats, jetstream: true, stream: { maxAgeSeconds: 60 } }",
    "",
    /longer than stream\.maxAgeSeconds of 60, which NATS refuses/,
  ],
  ["a password without user", CAM, "{ kind: nats, password: p }", "", /password needs user beside it/],
  ["a user without password", CAM, "{ kind: nats, user: u }", "", /user needs password beside it/],
  ["a token beside a user", CAM, "{ kind: nats, user: u, password: p, token: t }", "", /exclude each other/],
  [
    "an nkey beside credentials",
    CAM,
    "{ kind: nats, credentials: a.creds, nkey: SU }",
    "",
    /sinks\[0\]\.nkey and credentials exclude each other; keep one way to log in/,
  ],
  [
    "an nkey's file beside a user",
    CAM,
    "{ kind: nats, user: u, password: p, nkeyFile: a.nk }",
    "",
    /nkeyFile and user with password exclude each other/,
  ],
  [
    "a certificate without its key",
    CAM,
    "{ kind: nats, tls: { cert: a.pem } }",
    "",
    /tls\.cert needs tls\.key beside it/,
  ],
  [
    "a key without its certificate",
    CAM,
    "{ kind: nats, tls: { key: a.key } }",
    "",
    /tls\.key needs tls\.cert beside it/,
  ],
  [
    "a server that is no NATS server",
    CAM,
    '{ kind: nats, servers: ["http://h"] }',
    "",
    "3:33: sinks[0].servers[0] begins with http://; use nats:// or tls://",
  ],
  [
    "two sinks of one name",
    CAM,
    "{ kind: nats, name: plant }, { kind: files, path: a, name: plant }",
    "",
    "3:68: sinks[1].name is already the name of sinks[0]; names must differ",
  ],
  [
    "a sink that is called as the model is",
    CAM,
    "{ kind: nats, name: model }",
    "",
    /sinks\[0\]\.name.*must not be model/,
  ],
  ["a sink that publishes nothing", CAM, "{ kind: stdout, publish: [] }", "", /sinks\[0\]\.publish is empty/],
];

describe("contradictions in a configuration", () => {
  it.each(contradictions)("%s: refused", (_, sources, sinks, more, fault) => {
    const faults = faultsOf(sources, sinks, more);
    const matches = (text: string) => (typeof fault === "string" ? text === fault : fault.test(text));
    expect(faults.filter(matches), faults.join("\n")).toHaveLength(1);
  });

  it.each([
    ["a free port for both", CAM, "{ kind: viewer, port: 0 }, { kind: viewer, port: 0 }", "metrics: { port: 0 }"],
    ["ports of different addresses", CAM, "{ kind: viewer, host: 10.0.0.1, port: 9090 }", ""],
    ["a looping film", "{ name: a, url: a.mp4, loop: true, pace: fast }", OUT, ""],
    [
      "a region up to the edge",
      "{ name: a, url: a.mp4, width: 100, region: { x: 50, y: 0, width: 50, height: 9 } }",
      OUT,
      "",
    ],
    ["NATS sinks of two prefixes", CAM, "{ kind: nats }, { kind: nats, prefix: b }", ""],
    ["a film over HTTP", '{ name: a, url: "http://h/a.mp4", loop: true }', OUT, ""],
  ])("%s: accepted", (_, sources, sinks, more) => {
    expect(faultsOf(sources, sinks, more)).toEqual([]);
  });
});
