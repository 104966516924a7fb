import {
  appendFile,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { filesSinkSchema } from "../../src/config/schema.js";
import { createFilesSink, imageFileName } from "../../src/sinks/files.js";
import { LineFile } from "../../src/sinks/line-file.js";
import { modesOf } from "../../src/sinks/private-files.js";
import { message, outcome, pause, recordingContext, until } from "../support/sinks.js";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "files-sink-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function sinkFor(more: object = {}) {
  const { context, recorded } = recordingContext(folder);
  const sink = createFilesSink(filesSinkSchema.parse({ kind: "files", path: "out", ...more }), context);
  await sink.connect();
  return { sink, recorded };
}
const lines = async (path: string): Promise<{ sequence: number }[]> =>
  (await readFile(join(folder, path), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

it("writes pictures that sort by sequence and summaries in order, a folder a source", async () => {
  const { sink, recorded } = await sinkFor({ publish: ["summary", "overlay", "heatmap", "status"] });
  for (let sequence = 8; sequence < 12; sequence++) {
    const body = Buffer.from([sequence]);
    await sink.write(
      outcome(
        message("summary", "cam-1", sequence),
        message("overlay", "cam-1", sequence, { body }),
        message("heatmap", "cam-1", sequence, { body }),
      ),
    );
  }
  await sink.write(outcome(message("status", "belt", 0)));
  expect(sink.status()).toMatchObject({ connected: true, published: 13, buffered: 0, dropped: 0 });
  await sink.close(5000);

  const names = (await readdir(join(folder, "out", "cam-1"))).toSorted();
  const pictures = names.filter((name) => name.endsWith(".jpg"));
  expect(pictures.map((name) => name.replace(/^\d{8}T\d{9}Z-/, ""))).toEqual(
    [8, 9, 10, 11].map((n) => `${String(n).padStart(10, "0")}.jpg`),
  );
  const contents = await Promise.all(pictures.map((name) => readFile(join(folder, "out", "cam-1", name))));
  expect(contents.map((content) => [...content])).toEqual([[8], [9], [10], [11]]);
  expect(names.filter((name) => name.endsWith(".png")).length).toBe(4);
  expect(names.filter((name) => name.endsWith(".partial"))).toEqual([]);
  expect((await lines("out/cam-1/summaries.jsonl")).map(({ sequence }) => sequence)).toEqual([8, 9, 10, 11]);
  expect((await lines("out/belt/status.jsonl")).length).toBe(1);
  expect(recorded.published.length).toBe(13);
});

it("writes an original beside the overlay of its frame, where it is asked for", async () => {
  const { sink } = await sinkFor({ publish: ["overlay", "original"] });
  const [overlay, original] = [Buffer.from("heat"), Buffer.from("as decoded")];
  await sink.write(
    outcome(
      message("overlay", "cam-1", 7, { body: overlay }),
      message("original", "cam-1", 7, { body: original }),
      message("heatmap", "cam-1", 7),
    ),
  );
  await sink.close(5000);
  const names = (await readdir(join(folder, "out", "cam-1"))).toSorted();
  expect(names.map((name) => name.replace(/^\d{8}T\d{9}Z-/, ""))).toEqual([
    "0000000007-original.jpg",
    "0000000007.jpg",
  ]);
  const contents = await Promise.all(names.map((name) => readFile(join(folder, "out", "cam-1", name))));
  expect(contents).toEqual([original, overlay]);
});

it.each([
  [{}, 0o022, 0o600, 0o700],
  [{}, 0, 0o600, 0o700],
  [{ mode: "0640" }, 0o077, 0o640, 0o750],
  [{ mode: "0664" }, 0o022, 0o664, 0o775],
])("with %j and a umask of %i its files have mode %i, its folders %i", async (more, umask, file, directory) => {
  const before = process.umask(umask);
  try {
    const { sink } = await sinkFor({ path: "new/out", publish: ["summary", "overlay", "status"], ...more });
    await sink.write(outcome(message("summary", "cam-1", 0), message("overlay", "cam-1", 0)));
    await sink.write(outcome(message("status", "cam-2", 0)));
    await sink.close(5000);
  } finally {
    process.umask(before);
  }
  const made = await readdir(join(folder, "new"), { recursive: true, withFileTypes: true });
  const modes = { file: new Set<number>(), directory: new Set<number>() };
  for (const entry of made) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    modes[entry.isDirectory() ? "directory" : "file"].add(mode & 0o777);
  }
  expect(modes).toEqual({ file: new Set([file]), directory: new Set([directory]) });
  expect((await stat(join(folder, "new"))).mode & 0o777).toBe(directory);
});

it.each(["0700", "0400", "0666x", "888"])("refuses the mode %s", (mode) => {
  expect(filesSinkSchema.safeParse({ kind: "files", path: "out", mode }).success).toBe(false);
});

// Only root may give a link to somebody else.
it.skipIf(process.getuid?.() !== 0)("does not follow somebody else's link", async () => {
  await mkdir(join(folder, "out/cam-1"), { recursive: true });
  await writeFile(join(folder, "theirs"), "");
  await symlink(join(folder, "theirs"), join(folder, "out/cam-1/summaries.jsonl"));
  await lchown(join(folder, "out/cam-1/summaries.jsonl"), 12345, 12345);
  const { sink, recorded } = await sinkFor();
  await sink.write(outcome(message("summary", "cam-1", 0)));
  expect(recorded.log).toEqual([expect.stringMatching(/somebody else's symbolic link; remove it/)]);
  expect(await readFile(join(folder, "theirs"), "utf8")).toBe("");
  await sink.close(5000);
});

it("names sort as runs and sequences do", () => {
  const moment = fc.date({ min: new Date(0), max: new Date("2999-01-01"), noInvalidDate: true });
  const frame = fc.tuple(moment, fc.integer({ min: 0, max: 9_999_999_999 }));
  fc.assert(
    fc.property(frame, frame, ([runA, a], [runB, b]) => {
      const nameA = imageFileName(runA, { kind: "overlay", sequence: a, contentType: "image/jpeg" });
      const nameB = imageFileName(runB, { kind: "overlay", sequence: b, contentType: "image/jpeg" });
      const order = runA.getTime() - runB.getTime() || a - b;
      expect(Math.sign(nameA < nameB ? -1 : nameA > nameB ? 1 : 0)).toBe(Math.sign(order));
    }),
  );
});

it("a second run overwrites nothing and goes on after the lines of the first, even after half a line", async () => {
  for (const run of [0, 1]) {
    const { sink } = await sinkFor();
    await sink.write(
      outcome(message("summary", "cam-1", run), message("overlay", "cam-1", 0, { body: Buffer.from([run]) })),
    );
    await sink.close(5000);
    if (run === 0) await appendFile(join(folder, "out/cam-1/summaries.jsonl"), '{"half');
    await pause(5);
  }
  expect((await readdir(join(folder, "out/cam-1"))).filter((name) => name.endsWith(".jpg")).length).toBe(2);
  const text = await readFile(join(folder, "out/cam-1/summaries.jsonl"), "utf8");
  expect(text.split("\n")).toEqual([
    '{"source":"cam-1","sequence":0}',
    '{"half',
    '{"source":"cam-1","sequence":1}',
    "",
  ]);
});

it("lines keep the order of the calls when nobody waits", async () => {
  const file = new LineFile(join(folder, "deep/er/lines.jsonl"), modesOf("0600"));
  await Promise.all(Array.from({ length: 500 }, (_, i) => file.append(String(i))));
  const text = await readFile(file.path, "utf8");
  expect(text).toBe(`${Array.from({ length: 500 }, (_, i) => i).join("\n")}\n`);
});

it("a summary laid out over several lines becomes one", async () => {
  const { sink } = await sinkFor();
  const body = Buffer.from(JSON.stringify({ sequence: 3, text: "a\nb" }, null, 2));
  await sink.write(outcome(message("summary", "cam-1", 3, { body })));
  await sink.close(5000);
  expect(await lines("out/cam-1/summaries.jsonl")).toEqual([{ sequence: 3, text: "a\nb" }]);
});

it("a folder that is removed while it writes is made again, and a disk that refuses makes it not ready", async () => {
  const { sink } = await sinkFor();
  await sink.write(outcome(message("summary", "belt", 0)));
  await rm(join(folder, "out"), { recursive: true });
  await sink.write(outcome(message("summary", "belt", 1)));
  expect((await lines("out/belt/summaries.jsonl")).map(({ sequence }) => sequence)).toEqual([1]);
  expect(await sink.verify(1000)).toBe(true);
  await rm(join(folder, "out"), { recursive: true });
  await writeFile(join(folder, "out"), "in the way");
  await sink.write(outcome(message("summary", "belt", 2)));
  expect(await sink.verify(1000)).toBe(false);
  await unlink(join(folder, "out"));
  await sink.write(outcome(message("summary", "belt", 3)));
  expect(await sink.verify(1000)).toBe(true);
});

it("a full disk is one sentence, costs the message, and is over when there is room again", async () => {
  await mkdir(join(folder, "out/cam-1"), { recursive: true });
  const path = join(folder, "out/cam-1/summaries.jsonl");
  await symlink("/dev/full", path);
  const { sink, recorded } = await sinkFor();
  for (let sequence = 0; sequence < 3; sequence++) await sink.write(outcome(message("summary", "cam-1", sequence)));
  const sentence = `results cannot be written to ${join(folder, "out")}: the disk is full; make room there or choose another path`;
  expect(recorded.log).toEqual([`files: ${sentence}`]);
  expect(recorded.dropped).toEqual(["summary disk-error", "summary disk-error", "summary disk-error"]);
  expect(sink.status()).toMatchObject({ connected: false, reason: sentence, errors: 3, dropped: 3 });
  await unlink(path);
  await sink.write(outcome(message("summary", "cam-1", 3)));
  expect(sink.status()).toMatchObject({ connected: true, published: 1 });
  expect(recorded.connected.map(({ connected }) => connected)).toEqual([true, false, true]);
  await sink.close(5000);
});

it("a path through a file is one sentence and no crash", async () => {
  await writeFile(join(folder, "out"), "in the way");
  const { sink, recorded } = await sinkFor({ path: "out/results" });
  await sink.write(outcome(message("summary", "cam-1", 0), message("overlay", "cam-1", 0)));
  expect(recorded.log).toEqual([
    `files: results cannot be written to ${join(folder, "out/results")}: a part of its path is not a folder; correct the path or choose another path`,
  ]);
  expect(sink.status()).toMatchObject({ connected: false, dropped: 2 });
  await sink.close(5000);
});

it("a folder removed while running is made again", async () => {
  const { sink } = await sinkFor();
  await sink.write(outcome(message("overlay", "cam-1", 0)));
  await rm(join(folder, "out"), { recursive: true });
  await sink.write(outcome(message("overlay", "cam-1", 1), message("summary", "cam-1", 1)));
  await sink.close(5000);
  expect((await readdir(join(folder, "out/cam-1"))).length).toBe(2);
});

it("live messages do not wait for the disk; flushed and close wait for them", async () => {
  const { sink, recorded } = await sinkFor();
  for (let sequence = 0; sequence < 100; sequence++) {
    await sink.write(outcome(message("summary", "cam-1", sequence, { whenFull: "drop" })));
  }
  expect(sink.status().buffered).toBeGreaterThan(0);
  await sink.flushed!();
  expect(sink.status().buffered).toBe(0);
  await sink.close(10_000);
  expect((await lines("out/cam-1/summaries.jsonl")).map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 100 }, (_, i) => i),
  );
  await sink.write(outcome(message("summary", "cam-1", 100)));
  expect(recorded.dropped).toEqual(["summary closed"]);
  await until("nothing to be held", () => sink.status().buffered === 0);
});
