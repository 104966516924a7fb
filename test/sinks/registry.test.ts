import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type SinkConfig, sinkSchema } from "../../src/config/schema.js";
import { createSink } from "../../src/sinks/registry.js";
import { recordingContext } from "../support/sinks.js";

const entries = [
  { kind: "nats" },
  { kind: "viewer", port: 0 },
  { kind: "files", path: "out" },
  { kind: "stdout" },
  { kind: "stream", url: "out/{source}" },
] as const;

it.each(entries)("a $kind sink is made from its configuration alone, without any I/O", (entry) => {
  // As all unit tests, this may not connect, listen or start anything; and this is the folder that a path is relative to.
  const folder = mkdtempSync(join(tmpdir(), "sinks-"));
  const { context, recorded } = recordingContext(folder);
  const sink = createSink(sinkSchema.parse(entry), context);
  expect(sink.name).toBe(entry.kind);
  expect(sink.kinds.size).toBeGreaterThan(0);
  expect(sink.status()).toMatchObject({ connected: false, buffered: 0, published: 0 });
  expect(recorded).toEqual({ published: [], errors: [], dropped: [], connected: [], log: [] });
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

it.each(entries)("a $kind sink bears the name that it is given", (entry) => {
  const sink = createSink(sinkSchema.parse({ ...entry, name: "plant-2" }), recordingContext().context);
  expect(sink.name).toBe("plant-2");
});

it("every kind of the configuration has a sink", () => {
  expect(sinkSchema.options.map((option) => option.shape.kind.value)).toEqual(entries.map(({ kind }) => kind));
});

it("an unknown kind is refused with the known ones", () => {
  const config = { kind: "kafka" } as unknown as SinkConfig;
  expect(() => createSink(config, recordingContext().context)).toThrow(
    'sink kind "kafka" is not known; use one of nats, viewer, files, stdout, stream',
  );
});
