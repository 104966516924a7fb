export interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    name?: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName?: string; failureMessages?: string[] }[];
  }[];
}
export declare function countResults(report: Report | undefined, status: number): { passed: number; failed: number };
export declare function failures(report: Report | undefined, root: string): string[];
