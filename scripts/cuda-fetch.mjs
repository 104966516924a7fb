// Fetches the wheels that `npm run setup:cuda` needs, one at a time.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { KEPT, platforms, requirementLine } from "./cuda-wheels.mjs";
import { SetupError } from "./setup.mjs";

/** One wheel, on a slow line. */
const FETCH_MS = 60 * 60_000;
const say = (line) => console.log(`- ${line}`);
const die = (sentence) => {
  throw new SetupError(sentence);
};

/** Fetches a wheel, takes its libraries and licences out of it, and gives their names. */
export function fetchWheel(wheel, scratch, libs, place) {
  const { name, version, hashes } = wheel;
  const folder = path.join(scratch, "wheel");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const list = path.join(folder, "wanted.txt");
  writeFileSync(list, `${requirementLine(wheel)}\n`);
  say(
    `downloading ${name} ${version} from PyPI (${place})${hashes.length > 0 ? "" : ", whose checksum is known to the registry alone"}`,
  );
  const words = [
    "-m",
    "pip",
    "download",
    "--disable-pip-version-check",
    "--no-deps",
    "--no-cache-dir",
    "--only-binary=:all:",
  ];
  const shown = process.stdout.isTTY ? ["--progress-bar", "on"] : ["--quiet"];
  const tags = platforms(process.arch).flatMap((tag) => ["--platform", tag]);
  const checked = hashes.length > 0 ? ["--require-hashes"] : [];
  const options = [...shown, ...checked, "--implementation", "cp", "--python-version", "3.12", ...tags];
  const { status } = spawnSync("python3", [...words, ...options, "--dest", folder, "--requirement", list], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: FETCH_MS,
    // pip's own temporary files are large, and go with the folder.
    env: { ...process.env, TMPDIR: folder },
  });
  if (status !== 0)
    die(
      `pip could not download ${name} ${version}; its words are above. What is there already is kept: run this again.`,
    );
  const unpacked = spawnSync("python3", ["-c", UNPACK, folder, libs, KEPT.library, KEPT.licence, name], {
    encoding: "utf8",
  });
  rmSync(folder, { recursive: true, force: true });
  if (unpacked.status !== 0)
    die(`${name} ${version} could not be unpacked into ${libs}: ${unpacked.stderr.trim().split("\n").at(-1)}.`);
  return JSON.parse(unpacked.stdout);
}

/** Of a wheel, which is a zip archive, only native libraries are taken: its Python version does not matter. */
const UNPACK = `
import glob, json, os, re, shutil, sys, zipfile
folder, target, library, licence, wheel = sys.argv[1:]
names = []
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as archive:
    for name in archive.namelist():
        base = os.path.basename(name)
        if re.fullmatch(licence, name):
            base = wheel + "." + base
        elif not re.fullmatch(library, base):
            continue
        # Never into a file that is there: it may be one that somebody has loaded.
        part = os.path.join(target, ".part")
        with archive.open(name) as source, open(part, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 22)
        os.chmod(part, 0o644)
        os.replace(part, os.path.join(target, base))
        names.append(base)
print(json.dumps(names))
`;
