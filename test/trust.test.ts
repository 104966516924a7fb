import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openVino } from "../src/explain/engines/openvino/library.js";
import { distrust } from "../src/trust.js";

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "trust-")), "libs");
  mkdirSync(folder, { mode: 0o755 });
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));
const put = (name: string, mode = 0o644): string => {
  const file = join(folder, name);
  writeFileSync(file, "x");
  chmodSync(file, mode);
  return file;
};

describe("a folder that something is loaded from", () => {
  it("is trusted when it and all in it can be written by its owner alone, and while there is nothing", () => {
    put("a");
    expect(distrust(folder, "contents")).toBeNull();
    expect(distrust(join(folder, "nowhere"), "contents")).toBeNull();
  });

  it("is not when others can write it or a file in it, whatever link leads there", () => {
    const file = put("a", 0o646);
    expect(distrust(folder, "contents")).toBe(`${file} can be written by other users; run chmod go-w on it`);
    expect(distrust(folder, "folder alone")).toBeNull();
    chmodSync(file, 0o644);
    const elsewhere = join(folder, "..", "elsewhere");
    writeFileSync(elsewhere, "x");
    chmodSync(elsewhere, 0o666);
    symlinkSync(elsewhere, join(folder, "b"));
    expect(distrust(folder, "contents")).toContain(`${join(folder, "b")} can be written`);
    chmodSync(folder, 0o777);
    expect(distrust(folder, "folder alone")).toContain(`${folder} can be written`);
  });

  it("is when a link in it leads nowhere, as such a link gives nothing to load", () => {
    symlinkSync(join(folder, "nowhere"), join(folder, "a"));
    expect(distrust(folder, "contents")).toBeNull();
  });

  it("is when others may only add to it, as to /tmp: what they add is theirs", () => {
    chmodSync(folder, 0o1777);
    expect(distrust(folder, "folder alone")).toBeNull();
  });

  // Files can be given away by root alone.
  it.runIf(process.getuid?.() === 0)("is not when it belongs to somebody else", () => {
    chownSync(folder, 54_321, 54_321);
    expect(distrust(folder, "folder alone")).toMatch(/belongs to another user \(54321\); give it to user 0/);
    chownSync(folder, 0, 54_321);
    chmodSync(folder, 0o775);
    expect(distrust(folder, "folder alone")).toContain("can be written");
    chmodSync(folder, 0o755);
    chownSync(put("a"), 54_321, 0);
    expect(distrust(folder, "contents")).toMatch(/belongs to another user/);
  });
});

describe("OpenVINO's libraries", () => {
  it("are not loaded from a folder that others can write, which costs the engine alone", () => {
    put("libopenvino_c.so.2641");
    chmodSync(folder, 0o777);
    const was = process.env.OPENVINO_LIBRARIES;
    process.env.OPENVINO_LIBRARIES = folder;
    try {
      expect(openVino).toThrow(
        expect.objectContaining({
          code: "engine-missing",
          message: `the engine openvino is not loaded: ${folder} can be written by other users; run chmod go-w on it`,
        }),
      );
    } finally {
      if (was === undefined) delete process.env.OPENVINO_LIBRARIES;
      else process.env.OPENVINO_LIBRARIES = was;
    }
  });
});
