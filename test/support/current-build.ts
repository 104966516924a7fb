import type { TestProject } from "vitest/node";
import { build } from "../../scripts/setup.mjs";

/** Worker threads and commands run from `dist`: it is built where it is not what the sources give, and again at each change. */
export default function setup(project: TestProject): void {
  const current = (): void => build((line) => console.log(`- ${line}`));
  current();
  project.onTestsRerun(async () => current());
}
