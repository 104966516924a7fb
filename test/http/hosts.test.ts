import { hostname } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostCheck, isLoopback } from "../../src/http/hosts.js";

const asked = (host: string | undefined, boundTo = "0.0.0.0", hosts: string[] = []) =>
  hostCheck(boundTo, hosts)({ headers: { host } } as never);

describe("a loopback address", () => {
  it.each([
    "127.0.0.1",
    "127.9.8.7",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "[::FFFF:7f00:1]",
    "localhost",
    "a.localhost",
  ])("is %s", (host) => expect(isLoopback(host)).toBe(true));
  it.each([
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "128.0.0.1",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
  ])("is not %s", (host) => expect(isLoopback(host)).toBe(false));
});

describe("a server", () => {
  it("answers to its addresses and to the machine's own names, with or without a port", () => {
    const names = ["127.0.0.1:8080", "10.0.0.7", "[::1]:8080", "[fd00::7]", "localhost:8080", "LOCALHOST.", hostname()];
    expect(names.map((name) => asked(name))).toEqual(names.map(() => null));
  });

  it("does not answer to a name that somebody else can let resolve to it, and says what to do", () => {
    const names = [
      "evil.example",
      "evil.example:8080",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "xn--e1afmkfd",
    ];
    for (const name of names) expect(asked(name), name).toContain(`answers to the name ${name}: use`);
  });

  it("answers to names that are configured, and to those below one that begins with a dot", () => {
    const hosts = ["station-7.plant.example", ".lab.example"];
    for (const name of ["station-7.plant.example:8080", "STATION-7.plant.example", "lab.example", "a.b.lab.example"])
      expect(asked(name, "0.0.0.0", hosts), name).toBeNull();
    for (const name of ["plant.example", "evil-lab.example", "x.station-7.plant.example"])
      expect(asked(name, "0.0.0.0", hosts), name).not.toBeNull();
    expect(asked("viewer.plant.example", "viewer.plant.example")).toBeNull();
  });

  it("takes no header for a name that holds more than one, and cuts a long one in its sentence", () => {
    for (const header of [
      "a@localhost",
      "localhost/x",
      "localhost#",
      "local host",
      "",
      "localhost:99999",
      "evil?localhost",
    ])
      expect(asked(header), header).not.toBeNull();
    expect(asked("x".repeat(5000))!.length).toBeLessThan(300);
  });

  it("answers to no name that ends otherwise than its own, whatever it holds", () => {
    const label = fc.stringMatching(/^[a-z0-9-]{1,12}$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
        expect(asked(`${labels.join(".")}.evil.example`)).not.toBeNull();
      }),
      { seed: 13 },
    );
  });

  it("does not mind a program that tells no name, as HTTP 1.0 allows", () => expect(asked(undefined)).toBeNull());
});
