import { describe, expect, it } from "vitest";
import { countResults, failures } from "../../scripts/results.mjs";

const file = (...tests: string[]) => ({
  status: tests.every((status) => status === "passed") && tests.length > 0 ? "passed" : "failed",
  assertionResults: tests.map((status) => ({ status })),
});
const report = (...files: ReturnType<typeof file>[]) => {
  const count = (status: string) => files.flatMap((f) => f.assertionResults).filter((t) => t.status === status).length;
  return { numPassedTests: count("passed"), numFailedTests: count("failed"), testResults: files };
};

describe("the numbers at the end of a run", () => {
  it("are those of the tests", () => {
    expect(countResults(report(file("passed", "passed"), file("passed")), 0)).toEqual({ passed: 3, failed: 0 });
    expect(countResults(report(file("passed", "failed"), file("passed")), 1)).toEqual({ passed: 2, failed: 1 });
  });

  it("count a file that could not run as one failed", () => {
    expect(countResults(report(file("passed"), file()), 1)).toEqual({ passed: 1, failed: 1 });
  });

  it("never say that all went well when the run failed", () => {
    expect(countResults(report(file("passed")), 1)).toEqual({ passed: 1, failed: 1 });
    expect(countResults(undefined, 1)).toEqual({ passed: 0, failed: 1 });
  });

  it("name each test that failed, and how its message begins", () => {
    const lines = Array.from({ length: 20 }, (_, n) => `line ${n}`).join("\n");
    const failed = {
      status: "failed",
      fullName: "a frame is kept",
      failureMessages: [`\u001b[31mError: lost\u001b[39m\n${lines}`],
    };
    const run = report(file("passed"));
    run.testResults.push(
      { name: "/house/test/a.test.ts", status: "failed", assertionResults: [{ status: "passed" }, failed] } as never,
      {
        name: "/house/test/b.test.ts",
        status: "failed",
        message: "Error: no such module",
        assertionResults: [],
      } as never,
    );
    const said = failures(run, "/house");
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(/^FAILED: test\/a\.test\.ts: a frame is kept\n {2}Error: lost\n {2}line 0\n/);
    expect(said[0]?.split("\n")).toHaveLength(9);
    expect(said[1]).toBe("FAILED: test/b.test.ts\n  Error: no such module");
    expect(failures(undefined, "/house")).toEqual([]);
  });
});
