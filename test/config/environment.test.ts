// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's own syntax

import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";
import { ConfigError } from "../../src/errors.js";

const config = (lines: string): string => `model: { path: m.onnx }
sources: [{ name: cam, url: a.mp4 }]
${lines}
`;
const sinks = (sink: string): string => config(`sinks: [${sink}]`);
const parse = (text: string, env: Record<string, string>) => parseConfig(text, "demo.yaml", env);
const faultsOf = (text: string, env: Record<string, string>): string[] => {
  try {
    parse(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => fault.message);
    throw error;
  }
  return [];
};

describe("environment variables in a configuration", () => {
  it("become numbers where they are a whole unquoted value, also inside braces", () => {
    const text = sinks("{ kind: viewer, port: ${PORT} }");
    expect(parse(text, { PORT: "8081" }).sinks[0]).toMatchObject({ port: 8081 });
  });

  it("stay text where text is wanted, whatever they look like", () => {
    const text = sinks('{ kind: nats, user: "${DIGITS}", password: ${DIGITS} }');
    expect(parse(text, { DIGITS: "0042" }).sinks[0]).toMatchObject({ user: "0042", password: "0042" });
    expect(parse(config("station: ${YES}\nsinks: [{ kind: stdout }]"), { YES: "true" }).station).toBe("true");
  });

  it("are filled into the middle of text, several times, with defaults", () => {
    const text = sinks('{ kind: nats, servers: ["nats://${HOST:-localhost}:${PORT:-4222}", "nats://${OTHER}"] }');
    expect(parse(text, { OTHER: "b", HOST: "" }).sinks[0]).toMatchObject({
      servers: ["nats://localhost:4222", "nats://b"],
    });
  });

  it("hold values that would be YAML, as they are", () => {
    const password = "a: b # c *d \"e\" 'f' {g} [h]\n&i, ${NOT}";
    const text = sinks("{ kind: nats, user: u, password: ${PW} }");
    expect(parse(text, { PW: password }).sinks[0]).toMatchObject({ password });
  });

  it("are written literally after another dollar", () => {
    const text = config('sinks: [{ kind: files, path: "$${HOME}/x/$$" }]');
    expect(parse(text, { HOME: "/root" }).sinks[0]).toMatchObject({ path: "${HOME}/x/$$" });
  });

  it("are left alone in comments", () => {
    expect(faultsOf(`${sinks("{ kind: stdout }")} # \${UNSET}`, {})).toEqual([]);
    expect(faultsOf(`# \${UNSET}\n${sinks("{ kind: stdout }")}`, {})).toEqual([]);
  });

  it("are each a fault when not set, at their own place", () => {
    const text = sinks('{ kind: nats, servers: ["nats://${HOST}:${PORT}"], token: ${TOKEN} }');
    expect(faultsOf(text, {})).toEqual([
      "demo.yaml:3:41: environment variable HOST is not set; set it, or give a default as in ${HOST:-default}",
      "demo.yaml:3:49: environment variable PORT is not set; set it, or give a default as in ${PORT:-default}",
      "demo.yaml:3:67: environment variable TOKEN is not set; set it, or give a default as in ${TOKEN:-default}",
    ]);
  });

  it("do not move the columns of what stands behind them", () => {
    const text = sinks("{ kind: viewer, host: ${HOST_WITH_A_LONG_NAME}, prot: 1 }");
    expect(faultsOf(text, { HOST_WITH_A_LONG_NAME: "h" })).toEqual([
      'demo.yaml:3:57: sinks[0].prot is not a known key; did you mean "port"?',
    ]);
  });

  it.each(["${}", "${1A}", "${A B}", "${A:?no}", "${A-b}", "${", "${A"])("refuse the form %s", (form) => {
    const faults = faultsOf(config(`station: "${form}"\nsinks: [{ kind: stdout }]`), { A: "a" });
    expect(faults[0]).toMatch(/^demo\.yaml:3:1[01]: a variable begins here with \$\{ that is not understood/);
  });

  it("are not substituted for names of every object", () => {
    expect(faultsOf(config("station: ${toString}\nsinks: [{ kind: stdout }]"), {})).toHaveLength(1);
  });

  it("never have their values in a fault", () => {
    const text = `model: { path: m.onnx }
station: \${SECRET}
sources: [{ name: "\${SECRET}", url: a.mp4, policy: "\${SECRET}", fps: \${SECRET}, loop: \${NUMBER} }]
sinks: [{ kind: "\${SECRET}" }, { kind: viewer, port: \${NUMBER} }]
`;
    const faults = faultsOf(text, { SECRET: "hunter2 is secret", NUMBER: "987654321" });
    expect(faults.length).toBeGreaterThanOrEqual(7);
    expect(faults.join("\n")).not.toMatch(/hunter2|987654321/);
    expect(faults.join("\n")).toContain('"${SECRET}"');
  });
});
