import path from "node:path";
import { stripVTControlCharacters } from "node:util";

/** Each test that failed, and each file that could not run, without a test. */
function failed(report) {
  return (report?.testResults ?? []).flatMap((file) => {
    const tests = file.assertionResults.filter((test) => test.status === "failed");
    if (tests.length > 0) return tests.map((test) => ({ file, test }));
    return file.status === "failed" ? [{ file }] : [];
  });
}

/**
 * Numbers from vitest's JSON report and exit status. A file that could not run counts as one failed; so does a run
 * that failed although no test did (an error outside any test, no report at all).
 */
export function countResults(report, status) {
  const count = failed(report).length;
  return { passed: report?.numPassedTests ?? 0, failed: count === 0 && status !== 0 ? 1 : count };
}

const MAX_MESSAGE_LINES = 8;

/** A paragraph for each of them: where it is, its name, how its message begins. */
export function failures(report, root) {
  return failed(report).map(({ file, test }) => {
    const where = path.relative(root, file.name ?? "");
    return test
      ? paragraph(`${where}: ${test.fullName}`, (test.failureMessages ?? []).join("\n"))
      : paragraph(where, file.message ?? "");
  });
}

function paragraph(heading, message) {
  const lines = stripVTControlCharacters(message).trim().split("\n").slice(0, MAX_MESSAGE_LINES);
  return [`FAILED: ${heading}`, ...lines.map((line) => `  ${line.slice(0, 300)}`)].join("\n");
}
