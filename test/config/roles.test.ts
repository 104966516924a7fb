import { describe, expect, it } from "vitest";
import { parseLocated } from "../../src/config/parse.js";
import type { Role } from "../../src/config/schema.js";
import { ConfigError } from "../../src/errors.js";

const MODEL = "model: { path: m.onnx }\n";
const WHOLE = `${MODEL}sources: [{ name: belt, url: testsrc }]\nsinks: [{ kind: stdout }]\n`;
const read = (text: string, role?: Role) => parseLocated(text, "a.yaml", {}, role).config;
function faultsOf(text: string, role?: Role): string[] {
  try {
    read(text, role);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ message }) => message);
    throw error;
  }
}

describe("the role of a configuration", () => {
  it("is all work in one process, and another where it or the command line says so", () => {
    expect(read(WHOLE).role).toBe("all");
    expect(read(`role: capture\n${WHOLE}`).role).toBe("capture");
    expect(read(`role: capture\n${WHOLE}`, "explain").role).toBe("explain");
  });

  it("needs sources and sinks, unless it is that of an explain worker", () => {
    expect(read(MODEL, "explain")).toMatchObject({ role: "explain", sources: [], sinks: [] });
    expect(read(`${MODEL}sources: []\nsinks: []\n`, "explain").sinks).toEqual([]);
    for (const role of ["all", "capture"] as const)
      expect(faultsOf(MODEL, role)).toEqual([
        "a.yaml:1:1: sources is missing; give a list (may be empty when a nats sink serves `sources`)",
        "a.yaml:1:1: sinks is missing; give a list",
      ]);
    expect(faultsOf(`role: explain\n${MODEL}sinks: [{ kind: fax }]\n`)[0]).toMatch(
      /^a\.yaml:3:17: sinks\[0\]\.kind "fax" is not one of/,
    );
  });

  it("has a fleet whose login is held to the same as that of a sink", () => {
    expect(faultsOf(`${WHOLE}fleet: { user: a, servers: ["http://x"] }\n`)).toEqual([
      "a.yaml:4:16: fleet.user needs password beside it",
      "a.yaml:4:29: fleet.servers[0] begins with http://; use nats:// or tls://",
    ]);
    expect(faultsOf(`${WHOLE}fleet: { maxAgeMs: 5000, answerSeconds: 4 }\n`)).toEqual([
      "a.yaml:4:41: fleet.answerSeconds of 4 is over before fleet.maxAgeMs of 5000; make it longer",
    ]);
  });
});
