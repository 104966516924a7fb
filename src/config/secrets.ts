import { maskCredentials } from "../pipeline/mask.js";

/** What stands where a secret was. */
export const MASK = "***";

const SECRET_KEY =
  /^(?:password|passwd|pass|pwd|token|secret|api[-_]?key|nkey|seed|authorization|cookies?|credentials?)$/i;

/** True for keys whose value is never shown, e.g. `password`. */
export const isSecretKey = (key: string): boolean => SECRET_KEY.test(key);

// ffmpeg options whose next argument may carry a credential.
const SECRET_OPTION =
  /^-(?:[a-z0-9]+[_-])*(?:headers|cookies|http_proxy|password|passphrase|auth\w*|key|decryption_key|rtmp_conn|user)$/i;

/** A copy of plain data with every secret replaced: by key name, in URLs, and after ffmpeg options that take one. */
export function maskSecrets(value: unknown): unknown {
  if (typeof value === "string") return maskCredentials(value).replace(/^[^\s/@]+(?=@[^\s/@]+$)/, MASK);
  if (Array.isArray(value)) {
    return value.map((item, i) => {
      const option: unknown = value[i - 1];
      // An option and its value may stand in one entry.
      const [first = ""] = typeof item === "string" ? item.split(" ", 1) : [];
      if (first !== item && SECRET_OPTION.test(first)) return `${first} ${MASK}`;
      return typeof option === "string" && SECRET_OPTION.test(option) ? MASK : maskSecrets(item);
    });
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) =>
    isSecretKey(key) && item !== undefined && item !== null ? [key, MASK] : [key, maskSecrets(item)],
  );
  return Object.fromEntries(entries);
}
