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
