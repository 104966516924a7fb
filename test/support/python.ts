import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const cached = (name: string): string => fileURLToPath(new URL(`../../node_modules/.cache/${name}`, import.meta.url));

/** Folder with Python packages of PyPI, for PYTHONPATH; fetched the first time. */
export function pythonPackages(name: string, packages: readonly string[]): string {
  const home = cached(name);
  if (existsSync(home)) return home;
  const part = `${home}.${process.pid}.part`;
  mkdirSync(part, { recursive: true });
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", part, ...packages];
  execFileSync("python3", words, { stdio: ["ignore", "ignore", "inherit"] });
  try {
    renameSync(part, home);
  } catch (error) {
    // Another test file was first.
    if (!existsSync(home)) throw error;
    rmSync(part, { recursive: true });
  }
  return home;
}

/** Runs Python with onnxruntime and numpy, fetched from PyPI the first time, and gives what it printed. */
export function python(script: string, args: readonly string[] = []): string {
  const home = pythonPackages("python", ["onnxruntime", "numpy"]);
  return execFileSync("python3", ["-c", script, ...args], {
    env: { ...process.env, PYTHONPATH: home },
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}
