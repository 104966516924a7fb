import { describe, expect, it } from "vitest";
import { createLogger, type LogOptions } from "../src/log.js";

function record(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({ level: "info", pretty: false, output: { write: (line) => lines.push(line) }, ...options });
  return { log, lines };
}

describe("the log", () => {
  it("writes JSON lines with time, level, message and fields", () => {
    const { log, lines } = record();
    log.warn("source stalled", { source: "cam-1", seconds: 10 });
    const entry = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(entry).toMatchObject({ level: "warn", msg: "source stalled", source: "cam-1", seconds: 10 });
    expect(new Date(entry.time as string).getTime()).toBeGreaterThan(0);
    expect(lines[0]!.endsWith("\n")).toBe(true);
  });

  it("leaves out what is below its level", () => {
    const { log, lines } = record({ level: "warn" });
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["c", "d"]);
  });

  it.each([true, false])("masks credentials in messages, fields, errors and their causes (pretty: %s)", (pretty) => {
    const { log, lines } = record({ pretty, level: "debug" });
    const cause = new Error("dial nats://u:hunter2@h failed");
    log.error("lost rtsp://u:hunter2@cam/x", {
      url: "rtsp://u:hunter2@cam/x",
      password: "hunter2",
      deep: [{ token: "hunter2", href: new URL("http://u:hunter2@h/") }],
      error: new Error("gone: http://u:hunter2@h", { cause }),
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("hunter2");
    expect(lines[0]).toContain("***");
  });

  it("is one readable line when pretty, whatever cameras and servers say", () => {
    const { log, lines } = record({ pretty: true });
    log.info("camera says\n\u001b[2Jhello\u0007", { words: "a\nb", n: 3, empty: undefined });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}camera says \[2Jhello {2}words="a\\nb" {2}n=3\n$/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none
    expect(lines[0]!.slice(0, -1)).not.toMatch(/[\u0000-\u001f]/);
  });

  it("takes any field: cycles, big integers, bytes, functions, dates, maps", () => {
    const cycle: Record<string, unknown> = { date: new Date(Number.NaN), map: new Map([["a", 1n]]) };
    cycle.self = cycle;
    for (const pretty of [true, false]) {
      const { log, lines } = record({ pretty });
      log.info("odd", { cycle, bytes: new Uint8Array(5), call: () => 1, symbol: Symbol("s"), none: null });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain("[5 bytes]");
    }
  });
});
