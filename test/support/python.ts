import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PACKAGES = ["onnxruntime", "numpy"];
const home = fileURLToPath(new URL("../../node_modules/.cache/python", import.meta.url));

/** Runs Python with onnxruntime and numpy, fetched from PyPI the first time, and gives what it printed. */
export function python(script: string, args: readonly string[] = []): string {
  if (!existsSync(home)) {
    const part = `${home}.${process.pid}.part`;
    mkdirSync(part, { recursive: true });
    const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", part, ...PACKAGES];
    execFileSync("python3", words, { stdio: ["ignore", "ignore", "inherit"] });
    try {
      renameSync(part, home);
    } catch (error) {
      // Another test file was first.
      if (!existsSync(home)) throw error;
      rmSync(part, { recursive: true });
    }
  }
  return execFileSync("python3", ["-c", script, ...args], {
    env: { ...process.env, PYTHONPATH: home },
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}
