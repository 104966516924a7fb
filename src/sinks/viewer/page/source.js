/** What is known of one source, and the figures that follow from it. Times are on the worker's clock, in ms. */
const HISTORY_MS = 60_000;
const RATE_MS = 3_000;
/** Slow sources are counted over longer. */
const SLOW_RATE_MS = 10_000;

const fields = ([at, label, probability, concentration, positive, negative, totalMs]) => ({
  at,
  label,
  probability,
  concentration,
  positive,
  negative,
  totalMs,
});

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

export function createSource({ key, station, source }) {
  return { key, station, name: source, rows: [], live: [], summary: null, status: null };
}

/** Takes in news or a snapshot. Rows of a snapshot are thinned, so they do not count for the frame rate. */
export function update(source, news, isSnapshot) {
  const rows = news.rows.map(fields);
  if (isSnapshot) source.rows = rows;
  else {
    source.rows.push(...rows);
    source.live.push(...rows);
  }
  if (news.summary) source.summary = news.summary;
  if (news.status) source.status = news.status;
}

/** Drops what is older than the history shown. */
export function forget(source, now) {
  const { rows, live } = source;
  while (rows.length > 1 && now - rows[0].at > HISTORY_MS + 1000) rows.shift();
  while (live.length > 0 && now - live[0].at > SLOW_RATE_MS) live.shift();
}

/** Frames a second and median latency of the last seconds; null while there is nothing to tell. */
export function pace(source, now, connectedFor) {
  let window = RATE_MS;
  let recent = source.live.filter((row) => now - row.at <= window);
  if (recent.length < 6) {
    window = SLOW_RATE_MS;
    recent = source.live;
  }
  if (recent.length === 0) return { rate: source.rows.length > 0 && connectedFor > 1000 ? 0 : null, latency: null };
  // Until a whole window has passed, from the first frame seen on.
  const span = connectedFor > window + 500 ? window : Math.max(now - recent[0].at, 500);
  return { rate: (recent.length * 1000) / span, latency: median(recent.map((row) => row.totalMs)) };
}

/** Ms since the last frame, or null when there never was one. */
function lastFrameAge(source, now) {
  const last = source.rows.at(-1);
  if (last) return now - last.at;
  const at = source.status?.lastFrameAt;
  return at ? now - Date.parse(at) : null;
}

/**
 * The state to show: `{ state, quiet, reason }`. `quiet` is true when no frame has come for so long that the picture is
 * no longer the present, whatever the worker said last.
 */
export function condition(source, now) {
  const state = source.status?.state ?? (source.rows.length > 0 ? "live" : "connecting");
  const silent = lastFrameAge(source, now);
  const { live } = source;
  const period = live.length > 1 ? (live.at(-1).at - live[0].at) / (live.length - 1) : 500;
  const quiet = silent === null || silent > Math.max(2000, period * 4);
  return { state, quiet, silent, reason: source.status?.reason ?? null };
}

/** Share of each class over the history, largest first. */
export function shares(source) {
  const counts = new Map();
  for (const { label } of source.rows) counts.set(label, (counts.get(label) ?? 0) + 1);
  const total = source.rows.length;
  return [...counts].map(([label, n]) => ({ label, share: n / total })).sort((a, b) => b.share - a.share);
}
