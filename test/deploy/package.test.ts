import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../e2e/worker.js";
import { ffmpeg } from "../pipeline/helpers.js";
import { temporaryFolder } from "../support/folders.js";

const LONG = 90_000;

/** `npm pack`, unpacked into a folder that has nothing of the checkout but the packages that npm would install beside it. */
it(
  "what npm packs explains a picture and has both entries, where nothing of the checkout is",
  async () => {
    const folder = temporaryFolder();
    const npm = (...words: string[]) =>
      execFileSync("npm", words, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    npm("pack", "--silent", "--ignore-scripts", "--pack-destination", folder);
    const [packed] = readdirSync(folder);
    const modules = join(folder, "node_modules");
    mkdirSync(modules);
    for (const name of readdirSync(join(ROOT, "node_modules"))) {
      if (name !== ".cache" && name !== ".bin") symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    }
    const home = join(modules, "video-explainer");
    mkdirSync(home);
    execFileSync("tar", ["-xzf", join(folder, packed!), "-C", home, "--strip-components=1"]);
    for (const file of [
      "NOTICE",
      "THIRD-PARTY.md",
      "LICENSE",
      "CHANGELOG.md",
      "config/asyncapi.yaml",
      "docs/client.md",
    ])
      expect(readFileSync(join(home, file), "utf8").length, file).toBeGreaterThan(100);
    expect(readdirSync(home)).not.toEqual(expect.arrayContaining(["src", "test", "deploy", "bench"]));

    ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1", join(folder, "part.jpg"));
    const node = (...words: string[]) => execFileSync(process.execPath, words, { cwd: folder, encoding: "utf8" });
    const model = join(home, "models/inspection-cnn");
    node(join(home, "dist/cli/main.js"), "explain", "part.jpg", "--model", model);
    expect(readdirSync(folder).filter((name) => name.startsWith("part")).length).toBeGreaterThan(1);
    const script = `const a = await import("video-explainer"), b = await import("video-explainer/client");
    console.log(typeof a.createExplainer, typeof b.stationClient);`;
    expect(node("--input-type=module", "-e", script)).toBe("function function\n");
    expect(node(join(home, "dist/cli/main.js"), "--version").trim()).toBe(
      JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).version,
    );
  },
  2 * LONG,
);
