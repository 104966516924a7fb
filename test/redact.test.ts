import fc from "fast-check";
import { expect, test } from "vitest";
import { KnownSecrets } from "../src/redact/known.js";
import { redact, secretsIn } from "../src/redact.js";

const secret = fc.string({
  unit: fc.constantFrom(..."abcXYZ0189!$*(),;.-_~@:/?%=+^#"),
  minLength: 4,
  maxLength: 24,
});
const plain = fc.string({ unit: fc.constantFrom(..."abcdefgh01234"), minLength: 1, maxLength: 8 });
const around = fc.constantFrom("", " ", "\n", "ffmpeg: ", "'", '"', "[tcp @ 0x1] ");

test("the password of an address appears nowhere, however odd it is and whatever stands around", () => {
  fc.assert(
    fc.property(plain, secret, plain, around, (user, password, host, text) => {
      fc.pre(!/^\d{1,5}(?:[/?#]|$)/.test(password));
      const masked = redact(`${text}rtsp://${user}:${password}@${host}.local/stream${text}`);
      expect(masked).not.toContain(`${password}@`);
      expect(masked).toContain("rtsp://***@");
      expect(masked.startsWith(text)).toBe(true);
    }),
  );
});

/** Masks as the worker does that was given this data. */
function knowing(...data: unknown[]): (text: string) => string {
  const known = new KnownSecrets();
  known.learn(secretsIn(data), true);
  return (text) => redact(known.mask(text));
}

test("the secrets of a given address are hidden wherever they appear alone, raw or decoded", () => {
  fc.assert(
    fc.property(secret, around, (password, text) => {
      const mask = knowing(`rtsp://admin:${encodeURIComponent(password)}@camera/1`);
      expect(mask(`${text}login failed for ${password}, tried ${encodeURIComponent(password)}`)).not.toContain(
        password,
      );
    }),
  );
});

test("secret parameters are hidden in any place of a query", () => {
  const name = fc.constantFrom(
    "password",
    "token",
    "access_token",
    "api_key",
    "apikey",
    "KEY",
    "pwd",
    "passphrase",
    "sig",
  );
  const value = fc.string({ unit: fc.constantFrom(..."abcXYZ0189!$*().-_~@:/?%=+"), minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(name, value, plain, (key, password, host) => {
      const masked = redact(`GET http://${host}/live?size=2&${key}=${password}&fps=5 failed`);
      expect(masked).toContain(`${key}=***&fps=5 failed`);
      expect(masked).toContain("size=2&");
    }),
  );
});

test("masking what is masked changes nothing", () => {
  fc.assert(
    fc.property(plain, secret, plain, (user, password, host) => {
      const once = redact(`srt://${user}:${password}@${host}:9000?passphrase=${password}`);
      expect(redact(once)).toBe(once);
    }),
  );
});

test.each([
  ["an address without credentials", "http://10.0.0.5:8080/live/cam-1.m3u8?size=640x360"],
  ["a mail address in a sentence", "Write to someone@example.org about http://example.org/cameras."],
  ["ordinary words", "The monkey ate 3 keys of the keyboard = fun."],
  ["a port and a path with an at sign", "http://host:8080/@cam/live"],
])("%s is left as it is", (_name, text) => {
  expect(redact(text)).toBe(text);
});

test.each([
  ["a token as user", "nats://s3cr3t@host:4222", "nats://***@host:4222"],
  ["a header", "Authorization: Basic YWRtaW46c2VjcmV0\r\nHost: a", "Authorization: Basic ***\r\nHost: a"],
  ["the seed of an nkey", `nkey SU${"A2".repeat(28)} is wrong`, "nkey *** is wrong"],
  ["two addresses", "rtsp://a:b@c and http://d:e@f", "rtsp://***@c and http://***@f"],
])("%s is masked", (_name, text, masked) => {
  expect(redact(text)).toBe(masked);
});

const MIB = 2 ** 20;
test.each([
  ["at signs", "@"],
  ["at signs behind a scheme", "@", "rtsp://a:"],
  ["letters", "a"],
  ["schemes", "a://b:"],
  ["schemes and at signs", "a://b:c@"],
  ["schemes and an at sign at the end", "a://b:", "", "@"],
  ["ports", "a://b:80/"],
  ["names of parameters", "token_"],
  ["parameters without an end", "token="],
  ["headers without a colon", "cookie   "],
  ["line ends behind a header", "\n", "cookie:", '"'],
  ["question marks", "?"],
  ["question marks before a space", "?", "", " x"],
  ["seeds", "SUA"],
])(
  "a mebibyte of %s is looked through in a moment",
  (_name, unit, before = "", after = "") => {
    const text = before + unit.repeat(MIB / unit.length) + after;
    expect(redact(text).length).toBeLessThanOrEqual(2 * text.length);
  },
  5000,
);

test("an address of thousands of at signs makes a mask that is quick, and hides its password", () => {
  for (const count of [3, 20, 4000]) {
    const password = `geheim${"@x".repeat(count)}`;
    const mask = knowing(`rtsp://admin:${password}@camera/1`);
    for (let i = 0; i < 100; i++) expect(mask(`tried ${password}, then gave up`)).not.toContain("geheim");
    expect(mask(`tried ${encodeURIComponent(password)}`)).not.toContain("geheim");
  }
  knowing(`rtsp://admin:${"@".repeat(MIB)}`, "a".repeat(MIB), "a://b:".repeat(MIB / 6), `${"?".repeat(MIB)} x`);
}, 5000);

test("the text around an at sign that belongs to no address is left as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab@@:/. "), maxLength: 30 }), (text) => {
      if (!/:\/\//.test(text)) expect(redact(text)).toBe(text);
    }),
  );
});
