import fc from "fast-check";
import { expect, test } from "vitest";
import { KnownSecrets } from "../src/redact/known.js";
import { hasOpenLogin, redact, redactData, redactWhole, secretsIn } from "../src/redact.js";
import { countFrom } from "./faults/resources.js";

// FUZZ_SECRETS=100000 FUZZ_SEED=2 npx vitest run test/redact-fuzz.test.ts
const run = { numRuns: countFrom("FUZZ_SECRETS", 300), seed: countFrom("FUZZ_SEED", 1) };

/** Begins with what no other text holds, so that any part of it that is left is seen. */
const MARK = "Qz7";
const of = (signs: string, minLength = 5) =>
  fc.string({ unit: fc.constantFrom(...signs), minLength, maxLength: 24 }).map((text) => MARK + text);
const plain = of("abcXYZ0189-_.~");
/** Blanks of all kinds, quotes, signs of addresses, letters of other scripts. */
const odd = of("abZ09 \u00a0\u3000\t'\"`<>()[]{}|\\^!$*+,;=:@/?#%&é密🔑~._-");
const host = fc.constantFrom("127.0.0.1", "10.0.0.5:8554", "cam.local", "[fe80::1]:554", "camera");
const user = fc.constantFrom("admin", "operator", "me");

const words = fc.constantFrom(
  ...[
    "password",
    "pass word",
    "pwd",
    "pw",
    "login pas",
    "access token",
    "auth key",
    "api key",
    "session key",
    "stream key",
  ],
  ...[
    "token",
    "secret",
    "signature",
    "sig",
    "x amz signature",
    "key pair id",
    "wowza token hash",
    "md5",
    "hash",
    "hmac",
  ],
  ...["passphrase", "streamid", "jwt", "ticket", "psk", "pin", "credential", "cookie", "nkey", "sas token"],
);
const STYLES: ((parts: string[]) => string)[] = [
  (parts) => parts.join("_"),
  (parts) => parts.join("-").toUpperCase(),
  (parts) => parts.join(""),
  ([first, ...rest]) => first + rest.map((part) => part[0]!.toUpperCase() + part.slice(1)).join(""),
  (parts) => parts.map((part) => part[0]!.toUpperCase() + part.slice(1)).join("-"),
];
const name = fc.tuple(words, fc.constantFrom(...STYLES)).map(([text, style]) => style(text.split(" ")));

/** A secret in one of the places that an address has for it; encoded where it could not stand there as it is. */
function addressWith(secret: fc.Arbitrary<string>): fc.Arbitrary<{ secret: string; address: string }> {
  const unless = (signs: RegExp, text: string): string => (signs.test(text) ? encodeURIComponent(text) : text);
  return fc.tuple(secret, host, user, name, fc.nat(6)).map(([s, h, u, n, place]) => {
    const addresses = [
      `rtsp://${u}:${unless(/[/?#]/, s)}@${h}/stream?channel=1`,
      `nats://${unless(/[/?#:]/, s)}@${h}`,
      `http://${h}/live.m3u8?size=640x360&${n}=${unless(/[&;#]/, s)}&fps=5`,
      `https://${h}/live.m3u8?${n}=${unless(/[&;#]/, s)}`,
      `rtmp://${h}/live/${unless(/[/?#]/, s)}`,
      `srt://${h}?passphrase=${unless(/[&;#]/, s)}`,
      `rtsp://${h}/user=${u}&password=${unless(/[&;#/?]/, s)}&channel=1`,
    ];
    return { secret: s, address: addresses[place]! };
  });
}

const leaks = (text: string): boolean => text.includes(MARK);

test("whatever is known as a secret is found in every way in which a program writes it", () => {
  fc.assert(
    fc.property(addressWith(odd), fc.nat(9), ({ secret, address }, form) => {
      const known = new KnownSecrets();
      known.learn(secretsIn({ url: address }), true);
      const url = new URL("http://h/");
      url.password = secret;
      const forms = [
        address,
        `${address}: Connection refused`,
        `[rtsp @ 0x1] login with ${secret} failed`,
        `tried ${encodeURIComponent(secret)}.`,
        `GET ${encodeURI(secret)} HTTP/1.1`,
        `said ${JSON.stringify({ text: secret })}`,
        `to ${url.href}`,
        `form ${encodeURIComponent(secret).replaceAll("%20", "+")}`,
        `basic ${Buffer.from(secret).toString("base64")}`,
        `lower ${encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())}`,
      ];
      const masked = redact(known.mask(forms[form]!));
      expect(leaks(masked) || masked.includes(Buffer.from(secret).toString("base64").slice(0, 8))).toBe(false);
      expect(leaks(redactWhole(address))).toBe(false);
      expect(leaks(JSON.stringify(redactData({ sources: [{ url: address }] })))).toBe(false);
    }),
    run,
  );
});

test("addresses that nobody knows are masked in any text", () => {
  const around = fc.constantFrom("", "'", '"', "(", "see ", "[http @ 0x55] ");
  fc.assert(
    fc.property(addressWith(plain), around, ({ address }, before) => {
      const masked = redact(`${before}${address}: 404 Not Found, and ${address}`);
      expect(leaks(masked)).toBe(false);
      expect(redact(masked)).toBe(masked);
    }),
    run,
  );
});

test("of ffmpeg's options only the values of harmless ones are shown, in one entry or two", () => {
  const option = fc.oneof(
    fc.constantFrom(
      ..."headers cookies cryptokey decryption_key srtp_in_params srtp_out_params post_data rtmp_conn http_proxy".split(
        " ",
      ),
      ..."passphrase streamid token psk user_agent key password rtmp_playpath smb_password an_option_to_come".split(
        " ",
      ),
    ),
    name.map((text) => text.replaceAll(/[^a-z_]/gi, "_")),
  );
  fc.assert(
    fc.property(option, odd, fc.boolean(), (called, secret, split) => {
      const value =
        called === "headers" ? `X-Camera: ${secret}` : called === "cookies" ? `sid=${secret}; path=/` : secret;
      fc.pre(!/[;\r\n:]/.test(secret) && secret.trim() === secret);
      const inputOptions = [
        "-an",
        "-rtsp_transport",
        "tcp",
        ...(split ? [`-${called}`, value] : [`-${called} ${value}`]),
        "-t 5",
      ];
      const shown = redactData({ inputOptions }) as { inputOptions: string[] };
      expect(leaks(JSON.stringify(shown))).toBe(false);
      expect(shown.inputOptions.slice(0, 3)).toEqual(["-an", "-rtsp_transport", "tcp"]);
      expect(shown.inputOptions.at(-1)).toBe("-t 5");
      const known = new KnownSecrets();
      known.learn(secretsIn({ inputOptions }), true);
      expect(leaks(known.mask(`error: ${secret}`))).toBe(false);
    }),
    run,
  );
});

test("a password that ends the host too early is seen, and one that is encoded, or no password, is not", () => {
  fc.assert(
    fc.property(user, odd, host, (who, secret, where) => {
      const bare = `rtsp://${who}:${secret}@${where}/stream`;
      const at = secret.search(/[/?#]/);
      const early = at >= 0 && !secret.slice(0, at).includes("@");
      expect(hasOpenLogin(bare)).toBe(early);
      expect(hasOpenLogin(`rtsp://${who}:${encodeURIComponent(secret)}@${where}/stream`)).toBe(false);
      expect(hasOpenLogin(`rtsp://${where}/@${who}/x`)).toBe(false);
    }),
    run,
  );
});
