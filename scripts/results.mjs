import path from "node:path";
import { stripVTControlCharacters } from "node:util";

/**
 * Numbers from vitest's JSON report and exit status. A file that could not run counts as one failed; so does a run
 * that failed although no test did (an error outside any test, no report at all).
 */
export function countResults(report, status) {
  const passed = report?.numPassedTests ?? 0;
  const broken = (report?.testResults ?? []).filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  const failed = (report?.numFailedTests ?? 0) + broken.length;
  return { passed, failed: failed === 0 && status !== 0 ? 1 : failed };
}

const MAX_MESSAGE_LINES = 8;

/** A paragraph for each test that failed, and each file that could not run: where it is, its name, how its message begins. */
export function failures(report, root) {
  return (report?.testResults ?? []).flatMap((file) => {
    const where = path.relative(root, file.name ?? "");
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return file.status === "failed" ? [paragraph(where, file.message ?? "")] : [];
    return failed.map((test) => paragraph(`${where}: ${test.fullName}`, (test.failureMessages ?? []).join("\n")));
  });
}

function paragraph(heading, message) {
  const lines = stripVTControlCharacters(message).trim().split("\n").slice(0, MAX_MESSAGE_LINES);
  return [`FAILED: ${heading}`, ...lines.map((line) => `  ${line.slice(0, 300)}`)].join("\n");
}
