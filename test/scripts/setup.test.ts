import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkNode,
  digestSources,
  distributionNames,
  isAtLeast,
  isBuildCurrent,
  isInstallCurrent,
  packagesFor,
  parseVersion,
} from "../../scripts/setup.mjs";

describe("versions", () => {
  it.each([
    ["v20.9.1", [20, 9, 1]],
    [">=20.9", [20, 9, 0]],
    ["22", [22, 0, 0]],
    ["v23.0.0-nightly20240512", [23, 0, 0]],
  ])("reads %s", (text, parts) => expect(parseVersion(text)).toEqual(parts));

  it("refuses text without a number", () => expect(() => parseVersion("latest")).toThrow(/no version number/));

  it("compares part by part, as numbers", () => {
    expect(isAtLeast("v20.10.0", ">=20.9")).toBe(true);
    expect(isAtLeast("v20.9.0", ">=20.9")).toBe(true);
    expect(isAtLeast("v20.8.9", ">=20.9")).toBe(false);
    expect(isAtLeast("v9.99.99", ">=20.9")).toBe(false);
    expect(isAtLeast("v21.0.0", ">=20.9")).toBe(true);
  });

  it("orders any two versions one way or the other", () => {
    const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99));
    fc.assert(
      fc.property(version, version, (a, b) => {
        const [x, y] = [a.join("."), b.join(".")];
        expect(isAtLeast(x, y) && isAtLeast(y, x)).toBe(x === y);
        expect(isAtLeast(x, y) || isAtLeast(y, x)).toBe(true);
      }),
    );
  });

  it("refuses an old Node in one sentence that says what is needed", () => {
    expect(() => checkNode("v18.20.4")).toThrow(/^Node v18\.20\.4 is too old, >=20\.\d+ is needed; .*\.$/);
    expect(() => checkNode(process.version)).not.toThrow();
  });
});

describe("programs", () => {
  it("names each Debian package once", () => {
    expect(packagesFor(["ffmpeg", "ffprobe", "nats-server"])).toEqual(["ffmpeg", "nats-server"]);
  });

  it.each([
    ['ID=debian\nVERSION_ID="12"\n', ["debian"]],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n', ["linuxmint", "ubuntu", "debian"]],
    ["ID='fedora'\nVARIANT_ID=server\n", ["fedora"]],
    ["", []],
  ])("reads a distribution's names from %j", (text, names) => expect(distributionNames(text)).toEqual(names));
});

describe("what an earlier run left", () => {
  const entry = (version: string, more = {}) => ({ version, integrity: `sha512-${version}`, ...more });
  const lock = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": entry("1.0.0"),
      "node_modules/b": entry("2.0.0", { optional: true }),
    },
  };

  it("is kept where each locked package is there in its version", () => {
    expect(isInstallCurrent(lock, { packages: lock.packages })).toBe(true);
  });

  it("may lack optional packages, and hold more than is locked", () => {
    const installed = { packages: { "node_modules/a": entry("1.0.0"), "node_modules/own": entry("0.0.1") } };
    expect(isInstallCurrent(lock, installed)).toBe(true);
  });

  it.each([
    ["a package is missing", {}],
    ["a package has another version", { "node_modules/a": entry("1.0.1") }],
    ["a package has another checksum", { "node_modules/a": { version: "1.0.0", integrity: "sha512-x" } }],
    ["an optional package is old", { "node_modules/a": entry("1.0.0"), "node_modules/b": entry("1.9.0") }],
  ])("is installed anew where %s", (_, packages) => expect(isInstallCurrent(lock, { packages })).toBe(false));

  it("is built anew without a stamp, after a change, and after a build by other means", () => {
    const stamp = { sources: "abc", entryTime: 5 };
    expect(isBuildCurrent(stamp, "abc", 5)).toBe(true);
    expect(isBuildCurrent(undefined, "abc", 5)).toBe(false);
    expect(isBuildCurrent(stamp, "abd", 5)).toBe(false);
    expect(isBuildCurrent(stamp, "abc", 6)).toBe(false);
    expect(isBuildCurrent(stamp, "abc", undefined)).toBe(false);
  });

  it("changes its digest with any source's content or name, and not with a film's", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "digest-"));
    const put = (name: string, text: string) => {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
      return digestSources(folder);
    };
    const first = put("src/a.ts", "1");
    expect(put("src/a.ts", "2")).not.toBe(first);
    expect(put("src/a.ts", "1")).toBe(first);
    expect(put("assets/media/film.mp4", "1")).toBe(first);
    const second = put("src/deep/b.ts", "1");
    expect(second).not.toBe(first);
    rmSync(path.join(folder, "src/deep/b.ts"));
    expect(put("src/deep/c.ts", "1")).not.toBe(second);
    rmSync(folder, { recursive: true });
  });
});

describe("wheels that libraries are taken from", () => {
  const read = (name: string) => readFileSync(new URL(`../../scripts/${name}`, import.meta.url), "utf8");

  it.each([
    ["setup-openvino.sh", "openvino", /OPENVINO_VERSION:-([\d.]+)\}/],
    ["setup-tensorflow.sh", "tensorflow-cpu", /else usual=([\d.]+);/],
    ["setup-tensorflow.sh", "tensorflow", /then usual=([\d.]+);/],
  ])("of %s (%s) have a checksum in their default version", (script, name, form) => {
    const version = form.exec(read(script))![1]!.replaceAll(".", "\\.");
    expect(read("wheels.txt")).toMatch(new RegExp(`^${name}==${version} \\\\\n +--hash=sha256:[0-9a-f]{64}\\b`, "m"));
  });

  it("are not fetched where none is known, which one sentence says", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "wheel-"));
    const script = new URL("../../scripts/setup-openvino.sh", import.meta.url).pathname;
    const env = { ...process.env, OPENVINO_VERSION: "1.2.3", OPENVINO_LIBRARIES: path.join(folder, "libs") };
    const { status, stderr } = spawnSync("bash", [script], { env, encoding: "utf8" });
    rmSync(folder, { recursive: true });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^No checksum of openvino 1\.2\.3 is known here/)]);
  });
});
