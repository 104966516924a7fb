import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { InputError } from "../../src/errors.js";
import { autoHardware, hardwareOptions, parseHwaccels, whyNot } from "../../src/ffmpeg/hardware.js";
import { checkSource } from "../../src/pipeline/index.js";
import { planDecoding } from "../../src/pipeline/plan.js";
import { sourceSpec } from "../../src/pipeline/source-spec.js";
import { config, ffmpeg, open, takeAll, temporaryFolder, until, VIEW } from "../pipeline/helpers.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const VERSION = { major: 7, minor: 1 };
const quick = { timing: { delay: () => 20, loopMs: 10 } };

afterEach(() => {
  vi.unstubAllEnvs();
});

function film(name: string): string {
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-t", "1", "-c:v", "libx264", at(name));
  return at(name);
}

/** An ffmpeg that claims hardware. What is decoded with `-hwaccel` runs `decode`, or the real ffmpeg in software. */
function claimingFfmpeg(name: string, claims: string[], cases: { refuse?: string[]; decode?: string } = {}): string {
  const refusals = (cases.refuse ?? []).map(
    (hardware) =>
      `*" -init_hw_device ${hardware} "*) echo "[AVHWDeviceContext @ 0x1] [error] No ${hardware} here." >&2; exit 1 ;;`,
  );
  writeFileSync(
    at(name),
    `#!/bin/sh
echo "$*" >> "${at(name)}.log"
case " $* " in
  *" -hwaccels "*) printf 'Hardware acceleration methods:\\n${claims.map((c) => `${c}\\n`).join("")}\\n'; exit 0 ;;
  ${refusals.join("\n  ")}
  *" -init_hw_device "*) exit 0 ;;
  *" -hwaccel "*) ${cases.decode ?? ":"} ;;
esac
left=$#
while [ $left -gt 0 ]; do
  if [ "$1" = -hwaccel ]; then shift 2; left=$((left - 2)); else set -- "$@" "$1"; shift; left=$((left - 1)); fi
done
exec ffmpeg "$@"
`,
  );
  chmodSync(at(name), 0o755);
  vi.stubEnv("FFMPEG_PATH", at(name));
  return at(name);
}

const calls = (path: string): string[] =>
  existsSync(`${path}.log`) ? readFileSync(`${path}.log`, "utf8").trim().split("\n") : [];

test("what ffmpeg was built for is read from its own list", () => {
  expect(parseHwaccels("Hardware acceleration methods:\nvdpau\ncuda\nd3d11va\n\n")).toEqual([
    "vdpau",
    "cuda",
    "d3d11va",
  ]);
  expect(parseHwaccels("Hardware acceleration methods:\r\ndxva2\r\n")).toEqual(["dxva2"]);
  expect(parseHwaccels("Hardware acceleration methods:\n\n")).toEqual([]);
});

test.each([
  [
    "[AVHWDeviceContext @ 0x55] [error] Cannot load libcuda.so.1\n[AVHWDeviceContext @ 0x55] [error] Could not dynamically load CUDA\n[error] Device creation failed: -1.\n[fatal] Failed to set value 'cuda' for option 'init_hw_device': Operation not permitted\n[fatal] Error parsing global options: Operation not permitted\n",
    "Could not dynamically load CUDA",
  ],
  [
    "[error] Device creation failed: -542398533.\n[fatal] Failed to set value 'vaapi' for option 'init_hw_device': Generic error in an external library\n[fatal] Error parsing global options: Generic error in an external library\n",
    "Generic error in an external library",
  ],
  ["[AVHWDeviceContext @ 0x5] [error] Cannot open the X11 display .\n", "Cannot open the X11 display"],
  [`[error] ${"x".repeat(200)}\n`, `${"x".repeat(99)}…`],
  ["", "ffmpeg did not say why"],
])("of %j the telling words are kept", (stderr, why) => {
  expect(whyNot(stderr)).toBe(why);
});

test("a named hardware is told to ffmpeg before the input, and none is not", async () => {
  const plan = (hardware?: string) => {
    const spec = sourceSpec(config({ url: "/dev/video63", width: 64, height: 64 }), folder);
    return planDecoding(spec, VIEW, VERSION, { timeoutMs: 1000, hardware });
  };
  const { inputOptions } = await plan("vaapi");
  expect(inputOptions[inputOptions.indexOf("-hwaccel") + 1]).toBe("vaapi");
  expect((await plan()).inputOptions).not.toContain("-hwaccel");
  expect(hardwareOptions("qsv")).toEqual(["-hwaccel", "qsv", "-hwaccel_output_format", "nv12"]);
});

test("a hardware that ffmpeg was not built for is refused in one sentence, of a camera that is away too", async () => {
  const path = film("unknown.mp4");
  for (const url of [path, "rtsp://127.0.0.1:9/none"]) {
    const error: unknown = await checkSource(config({ url, hardware: "abacus" }), folder).catch((e) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(
      /^source belt: \S+ is to be decoded on abacus, which this ffmpeg was not built for; it knows .+; or leave it to auto$/,
    );
  }
  const opened = open({ url: path, hardware: "abacus" });
  expect(await takeAll(opened)).toEqual([]);
  expect(opened.source.status()).toMatchObject({ state: "failed" });
  expect(opened.source.status().reason).toMatch(/not built for/);
});

test("auto on this machine gives every frame of a film, and says once what it came to", async () => {
  const path = film("auto.mp4");
  const notes: string[] = [];
  for (let i = 0; i < 2; i++) {
    const opened = open({ url: path, hardware: "auto" }, { ...quick, onNote: (_source, note) => notes.push(note) });
    expect(await takeAll(opened)).toHaveLength(25);
    expect(opened.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
  }
  expect(notes.filter((note) => note.startsWith("hardware auto: "))).toHaveLength(1);
  expect(notes[0]).toMatch(/^hardware auto: decoded (?:in software, no hardware works \(.+\)|on \w+.*)$/);
});

test("auto takes the first hardware whose device opens, and asks each ffmpeg once", async () => {
  const fake = claimingFfmpeg("takes-vaapi", ["opencl", "vaapi", "cuda", "vulkan"], { refuse: ["cuda"] });
  const path = film("takes.mp4");
  const notes: string[] = [];
  for (let i = 0; i < 2; i++) {
    const opened = open(
      { url: path, hardware: "auto" },
      { ...quick, onNote: (source, note) => notes.push(`${source}: ${note}`) },
    );
    expect(await takeAll(opened)).toHaveLength(25);
  }
  expect(notes).toEqual(["belt: hardware auto: decoded on vaapi (cuda: No cuda here)"]);
  const trials = calls(fake).filter((call) => call.includes("-init_hw_device"));
  expect(trials.map((call) => /-init_hw_device (\w+)/.exec(call)![1])).toEqual(["cuda", "vaapi"]);
  expect(calls(fake).filter((call) => call.includes("-hwaccel vaapi "))).toHaveLength(2);
});

test("auto decodes in software when no device opens, or when ffmpeg was built for none", async () => {
  const refusing = claimingFfmpeg("refuses", ["cuda", "qsv"], { refuse: ["cuda", "qsv"] });
  expect(await autoHardware(refusing)).toEqual({
    note: "hardware auto: decoded in software, no hardware works (cuda: No cuda here; qsv: No qsv here)",
  });
  const bare = claimingFfmpeg("bare", ["opencl"]);
  expect(await autoHardware(bare)).toEqual({
    note: "hardware auto: decoded in software, no hardware works (this ffmpeg was built for none)",
  });
});

test("a named hardware is not tried first, and the test picture goes without", async () => {
  const fake = claimingFfmpeg("named", ["cuda"]);
  expect(await takeAll(open({ url: film("named.mp4"), hardware: "cuda" }))).toHaveLength(25);
  expect(calls(fake).some((call) => call.includes("-init_hw_device"))).toBe(false);
  expect(calls(fake).filter((call) => call.includes("-hwaccel cuda "))).toHaveLength(1);
  const picture = open({ url: "testsrc", width: 64, height: 64, hardware: "cuda" });
  await new Promise((resolve) => picture.source.available$.subscribe({ next: resolve as () => void }));
  await picture.source.stop();
  expect(calls(fake).filter((call) => call.includes("-hwaccel cuda "))).toHaveLength(1);
});

test("a decoder and a device among the input options are for ffmpeg alone", async () => {
  const inputOptions = ["-init_hw_device vaapi=gpu:/dev/dri/renderD129", "-c:v libdav1d", "-hwaccel none"];
  const spec = sourceSpec(config({ url: film("chosen.mp4"), inputOptions }), folder);
  const plan = await planDecoding(spec, VIEW, VERSION, { timeoutMs: 5000, hardware: "vaapi" });
  const options = plan.inputOptions.join(" ");
  expect(options).toMatch(
    /-hwaccel vaapi .*-init_hw_device vaapi=gpu:\/dev\/dri\/renderD129 -c:v libdav1d -hwaccel none$/,
  );
});

const DIES = 'echo "[h264 @ 0x1] [error] CUDA is out of memory" >&2; exit 1';

test("hardware that dies before its first frame is left for software, which gives every frame", async () => {
  const fake = claimingFfmpeg("dies", ["cuda"], { decode: DIES });
  const notes: string[] = [];
  const opened = open(
    { url: film("dies.mp4"), hardware: "auto" },
    { ...quick, onNote: (_source, note) => notes.push(note) },
  );
  expect(await takeAll(opened)).toHaveLength(25);
  expect(opened.source.status()).toMatchObject({ state: "ended", reason: null, restarts: 0 });
  expect(notes).toEqual([
    "hardware auto: decoded on cuda",
    "no frame came of cuda (CUDA is out of memory); decoded in software from now on",
  ]);
  expect(calls(fake).filter((call) => call.includes("-hwaccel cuda "))).toHaveLength(1);
});

test("hardware that hangs before its first frame is left when the source stalls", async () => {
  const fake = claimingFfmpeg("hangs", ["cuda"], { decode: "exec sleep 60" });
  const notes: string[] = [];
  const timing = { delay: () => 20, tickMs: 20, connectMs: 200 };
  const camera = { url: "tcp://127.0.0.1:9", width: 64, height: 64, stallSeconds: 0.1, hardware: "auto" };
  const opened = open(camera, { timing, onNote: (_source, note) => notes.push(note) });
  await until(() => opened.source.status().restarts >= 2, "it was connected again");
  await opened.source.stop();
  expect(notes.slice(1)).toEqual(["no frame came of cuda; decoded in software from now on"]);
  expect(calls(fake).filter((call) => call.includes("-hwaccel cuda "))).toHaveLength(1);
});

test("a named hardware that dies is not left: the source fails with its words", async () => {
  claimingFfmpeg("named-dies", ["cuda"], { decode: DIES });
  const opened = open({ url: film("named-dies.mp4"), hardware: "cuda" }, quick);
  expect(await takeAll(opened)).toEqual([]);
  expect(opened.source.status()).toMatchObject({
    state: "failed",
    reason: "ffmpeg gave up with code 1 after 0 frames: CUDA is out of memory",
  });
});
