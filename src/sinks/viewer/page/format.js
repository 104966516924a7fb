/** Numbers and times as people read them. */

/** 0.873 → "87 %"; `digits` after the point. */
export const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)} %`;

/** A share per pixel: 0.00021 → "0.021 % / pixel". */
export const perPixel = (share) => `${(share * 100).toPrecision(2)} % / pixel`;

/** Never shows 100 % or 0 % for what is neither. */
export const probability = (p) => {
  if (p > 0.99 && p < 1) return `${Math.floor(p * 1000) / 10} %`;
  return p < 0.01 && p > 0 ? "< 1 %" : percent(p);
};

export const milliseconds = (ms) => (ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`);

/** Milliseconds as an age: "3.2 s", "48 s", "12 min", "3 h". */
export function age(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export const count = (n) => n.toLocaleString("en-US");

/** Frames a second: "29.8", "9.9", "0.4". */
export const rate = (perSecond) => (perSecond >= 99.5 ? perSecond.toFixed(0) : perSecond.toFixed(1));

/** A long "a, b, c" label of a class list is its first name. */
export const shortLabel = (label) => label.split(",", 1)[0].trim() || label;

const two = (n) => String(n).padStart(2, "0");
/** Unix ms as the time of day here: "14:03:22"; `withDate`, "2026-03-01 14:03:22". */
export function clock(at, withDate = false) {
  const date = new Date(at);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  if (!withDate) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** Writes only what is new: the page is not laid out again for nothing. */
export const text = (element, value) => {
  if (element.textContent !== value) element.textContent = value;
};
