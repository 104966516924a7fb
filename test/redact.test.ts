import fc from "fast-check";
import { expect, test } from "vitest";
import { KnownSecrets } from "../src/redact/known.js";
import { redact, redactData, redactWhole, secretsIn } from "../src/redact.js";

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

test.each([
  ["a password with blanks", "rtsp://admin:my secret pass@cam/x", "rtsp://***@cam/x"],
  ["a password of a few common letters", "rtsp://me:a b@cam/x", "rtsp://***@cam/x"],
  ["a password with an unencoded slash", "rtsp://admin:pa/ss@10.0.0.5/x", "rtsp://***@10.0.0.5/x"],
  ["a password of digits and a slash", "rtsp://admin:12345/6@10.0.0.5:554/x", "rtsp://***@10.0.0.5:554/x"],
  ["a stream key", "rtmp://host/live/abcd-efgh-1234?x=1", "rtmp://host/live/***?x=1"],
  ["a login in the path", "http://host/admin:geheim@cam/x.m3u8", "http://host/***@cam/x.m3u8"],
  ["parameters in the path", "rtsp://h/user=me&password=geheim&channel=1", "rtsp://h/user=***&password=***&channel=1"],
  ["what a machine made up", "https://h/5f3a9c2e71b04d68/x?a=1", "https://h/***/x?a=1"],
  ["the parameters of a recorder", "rtsp://h:554/cam/realmonitor?channel=1&subtype=0", undefined],
  ["a path of words", "rtsp://h/Streaming/Channels/101/h264Preview_01_main", undefined],
  ["addresses of IPv6", "http://[fe80::1]:8080/live.m3u8?size=640x360", undefined],
])("of an address %s is masked where it is a secret", (_name, address, masked = address) => {
  expect(redactWhole(address)).toBe(masked);
});

test("a password that is short or a common word is masked in its place and nowhere else", () => {
  const mask = knowing(
    { url: "rtsp://admin:live@camera/live" },
    { url: "rtsp://me:abc@camera/abc" },
    { token: "camera" },
  );
  expect(mask("source camera is live: rtsp://admin:live@camera/live, abc")).toBe(
    "source camera is live: rtsp://***@camera/live, abc",
  );
});

test("one of a few characters is masked where it stands alone, a longer one within words too", () => {
  const mask = knowing({ password: "1234" }, { token: "hunter2hunter" });
  expect(mask("tried 1234 on port 12345, then xhunter2huntery")).toBe("tried *** on port 12345, then x***y");
});

test("of very many sources that come and go the oldest are forgotten, of the configuration nothing", () => {
  const known = new KnownSecrets();
  known.learn(["geheim-der-konfiguration"], true);
  for (let i = 0; i < 30_000; i++) known.learn([`geheim-${i}`], false);
  expect(known.mask("geheim-der-konfiguration, geheim-29999")).toBe("***, ***");
  expect(known.mask("geheim-1 ")).toBe("geheim-1 ");
});

test("data is masked by key, in addresses and after options, and keeps the rest", () => {
  const data = {
    station: "desk",
    sources: [{ url: "rtsp://a:b@h/s", policy: "latest", inputOptions: ["-rtsp_transport", "tcp", "-token x", "-an"] }],
    sinks: [{ servers: ["me:geheim@h:4222", "nats://t0k3n@h"], user: "me", nkeyFile: "a.nk", tls: { key: "key.pem" } }],
  };
  expect(redactData(data)).toEqual({
    station: "desk",
    sources: [
      { url: "rtsp://***@h/s", policy: "latest", inputOptions: ["-rtsp_transport", "tcp", "-token ***", "-an"] },
    ],
    sinks: [{ servers: ["***@h:4222", "nats://***@h"], user: "***", nkeyFile: "a.nk", tls: { key: "key.pem" } }],
  });
});
