import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** A Python with these packages from PyPI, in the user's cache folder; fetched the first time. */
export function pythonWith(name, packages, base = "python3") {
  const home = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "video-explainer", name);
  const python = path.join(home, "bin", "python");
  if (!existsSync(path.join(home, ".complete"))) {
    console.error(`fetching ${packages.join(", ")} into ${home}`);
    mkdirSync(path.dirname(home), { recursive: true });
    execFileSync(base, ["-m", "venv", "--clear", home], { stdio: "inherit" });
    execFileSync(python, ["-m", "pip", "install", "--quiet", ...packages], { stdio: "inherit" });
    writeFileSync(path.join(home, ".complete"), "");
  }
  return python;
}
