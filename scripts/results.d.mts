export interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}
export declare function countResults(report: Report | undefined, status: number): { passed: number; failed: number };
