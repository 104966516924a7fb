import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CommanderError } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorLines, exitCodeOf } from "../../src/cli/errors.js";
import { ConfigError, InputError, VideoExplainerError } from "../../src/errors.js";
import { packageVersion } from "../../src/version.js";
import { MAIN, runCli } from "./run-cli.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the program", () => {
  it("prints its version", async () => {
    expect(await runCli(["--version"])).toEqual({ code: 0, stdout: `${packageVersion()}\n`, stderr: "" });
  });

  it("prints help with an example, for itself and for each command", async () => {
    const top = await runCli(["--help"]);
    expect(top).toMatchObject({ code: 0, stderr: "" });
    expect(top.stdout).toMatch(/Examples?:\n {2}\$ video-explainer/);
    const names = [...top.stdout.matchAll(/^ {2}([a-z]+) .*$/gm)].map((match) => match[1]!);
    expect(names).toContain("validate");
    for (const name of names.filter((each) => each !== "help")) {
      const help = await runCli([name, "--help"]);
      expect(help, name).toMatchObject({ code: 0, stderr: "" });
      expect(help.stdout, name).toContain(`Usage: video-explainer ${name}`);
      expect(help.stdout, name).toMatch(/Examples?:\n {2}\$ video-explainer/);
      expect(await runCli(["help", name]), name).toEqual(help);
    }
  });

  it.each([
    [["--server", "nats://me:geheim%200815@h"]],
    [["--server=nats://me:geheim%200815@h"]],
    [["--token", "geheim 0815"]],
    [["--token=geheim 0815"]],
  ])("repeats nothing that is secret in %j when arguments are wrong", async (args) => {
    const { code, stderr } = await runCli(["watch", ...args, "--no geheim 0815"]);
    expect(code).toBe(2);
    expect(stderr).toContain("'--no ***'");
    expect(stderr).not.toMatch(/geheim|0815/);
  });

  it("shows help on stderr when it is told nothing, and exits 2", async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: video-explainer");
  });

  it.each<[name: string, args: string[], line: string]>([
    ["an unknown command", ["valdiate"], "video-explainer: unknown command 'valdiate'; did you mean validate?"],
    ["a command like no other", ["banana"], "video-explainer: unknown command 'banana'; see video-explainer --help"],
    ["an unknown option", ["validate", "x", "--jsn"], "video-explainer: unknown option '--jsn'; did you mean --json?"],
    [
      "a missing argument",
      ["validate"],
      "video-explainer: missing required argument 'config'; see video-explainer validate --help",
    ],
    [
      "too many arguments",
      ["validate", "a", "b"],
      "video-explainer: too many arguments for 'validate'. Expected 1 argument but got 2; see video-explainer validate --help",
    ],
  ])("refuses %s in one line on stderr, nothing on stdout, exit code 2", async (_, args, line) => {
    expect(await runCli(args)).toEqual({ code: 2, stdout: "", stderr: `${line}\n` });
  });

  it("shows a stack only with --verbose", async () => {
    const { code, stdout, stderr } = await runCli(["validate", "--verbose", "missing.yaml"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n")[0]).toBe(
      "video-explainer: missing.yaml does not exist; give the path of a YAML configuration",
    );
    expect(stderr).toMatch(/\n\s+at /);
  });

  it("runs through a symbolic link, as npm installs it", async () => {
    const link = join(folder, "video-explainer");
    symlinkSync(MAIN, link);
    const child = spawn(process.execPath, [link, "--version"], { stdio: ["ignore", "pipe", "inherit"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => child.once("close", resolve));
    expect(Buffer.concat(chunks).toString()).toBe(`${packageVersion()}\n`);
  });

  it("ends quietly when the reader of its output has left", async () => {
    const child = spawn(process.execPath, [MAIN, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect([code, stderr]).toEqual([0, ""]);
  });

  it.each([
    ["an exception nobody caught", "setTimeout(() => { throw new Error('boom nats://u:hunter2@h') }, 0)"],
    ["a rejection nobody handled", "Promise.reject(new Error('boom nats://u:hunter2@h'))"],
  ])("prints %s in one line and exits 1", async (_, code) => {
    const preload = join(folder, "fault.mjs");
    // Runs within the program, once its handlers stand.
    const wait = `const timer = setInterval(() => { if (process.listenerCount("uncaughtException") === 0) return; clearInterval(timer); setInterval(() => {}, 1000); ${code} }, 5);`;
    writeFileSync(preload, wait);
    const child = spawn(process.execPath, ["--import", pathToFileURL(preload).href, MAIN, "help"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(1);
    expect(stderr).toBe(
      "video-explainer: unexpected failure: boom nats://***@h; run again with --verbose for details\n",
    );
  });
});

describe("error printing", () => {
  const cases: [name: string, error: unknown, code: number, lines: string[]][] = [
    ["input", new InputError("source", "film.mp4 is no film"), 2, ["video-explainer: film.mp4 is no film"]],
    ["run time", new VideoExplainerError("internal", "two\nlines"), 1, ["video-explainer: two lines"]],
    ["no error", "text", 1, ["video-explainer: unexpected failure: text"]],
    ["undefined", undefined, 1, ["video-explainer: unexpected failure: undefined"]],
    [
      "several",
      new AggregateError([new Error("a"), new Error("b")]),
      1,
      ["video-explainer: unexpected failure: a: b; run again with --verbose for details"],
    ],
    [
      "a configuration",
      new ConfigError([
        { path: "a", line: 1, column: 2, message: "c.yaml:1:2: a is wrong" },
        { path: "", message: "c.yaml is wrong" },
      ]),
      2,
      ["c.yaml:1:2: a is wrong", "video-explainer: c.yaml is wrong"],
    ],
    ["help", new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"), 0, []],
  ];
  it.each(cases)("makes one line a fault of %s", (_, error, code, lines) => {
    expect(errorLines(error, false)).toEqual(lines);
    expect(exitCodeOf(error)).toBe(code);
  });
});
