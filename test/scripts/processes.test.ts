import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { findProgram, freePort, identify, isAlive, isFree, stopProcess, widePath } from "../../scripts/processes.mjs";

async function node(program: string) {
  const child = spawn(process.execPath, ["-e", `${program};console.log(1);setInterval(()=>{},1000)`]);
  await once(child.stdout, "data");
  return { child, identity: identify(child.pid as number), ended: once(child, "exit") };
}

describe("processes", () => {
  it("are known again by number and start time", async () => {
    const { identity, ended } = await node("0");
    expect(isAlive(identity)).toBe(true);
    expect(isAlive({ ...identity, start: `${identity.start}0` })).toBe(false);
    expect(await stopProcess(identity, 5000)).toBe(true);
    await ended;
    expect(isAlive(identity)).toBe(false);
    expect(isAlive(undefined)).toBe(false);
  });

  it("that are another's by now are not ended", async () => {
    const { child, identity, ended } = await node("0");
    expect(await stopProcess({ pid: identity.pid, start: "earlier" }, 5000)).toBe(true);
    expect(isAlive(identity)).toBe(true);
    child.kill();
    await ended;
  });

  it("that do not heed SIGTERM are killed when the time is over", async () => {
    const { identity, ended } = await node("process.on('SIGTERM',()=>{})");
    expect(await stopProcess(identity, 300)).toBe(false);
    expect(await ended).toEqual([null, "SIGKILL"]);
  });
});

describe("programs and ports", () => {
  it("finds programs in the system's folders too, and says when there is none", () => {
    expect(widePath({ PATH: "/opt/own" }).split(":").slice(0, 1)).toEqual(["/opt/own"]);
    expect(
      widePath({ PATH: "/usr/sbin" })
        .split(":")
        .filter((folder) => folder === "/usr/sbin"),
    ).toHaveLength(1);
    expect(findProgram("sh", `${widePath({ PATH: "" })}:/bin`)).toMatch(/\/sh$/);
    expect(findProgram("no-such-program-here")).toBeUndefined();
  });

  it("takes the next port where one is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(await isFree(port)).toBe(false);
    expect(await freePort(port)).toBeGreaterThan(port);
    server.close();
    await once(server, "close");
    expect(await isFree(port)).toBe(true);
  });
});
