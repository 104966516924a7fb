import { describe, expect, it } from "vitest";
import { countResults } from "../../scripts/results.mjs";

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
});
