/** The middle value, or the mean of the two middle ones. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Our engines by what stands behind their contenders' names. */
const ENGINES = {
  "": "onnxruntime",
  ", openvino": "openvino",
  ", openvino bfloat16": "openvino, bfloat16",
  ", float16": "onnxruntime, float16",
};

/**
 * Of each of our engines: what forward + r-lrp costs over its own forward pass, what forward + r-lrp-graded costs over that, and
 * how many times faster than each peer r-lrp is.
 */
export function ratios(rows) {
  const named = (name) => rows.find((row) => row.name === name);
  // Numbers that are not finite are no explanation to be faster than.
  const peers = rows.filter((row) => !row.name.startsWith("ours ") && row.name !== "forward" && row.finite !== false);
  const each = (pick) => Object.fromEntries(peers.map((peer) => [peer.name, pick(peer)]));
  return Object.entries(ENGINES).flatMap(([suffix, engine]) => {
    const [forward, ours] = [named(`ours forward${suffix}`), named(`ours r-lrp${suffix}`)];
    if (!forward || !ours) return [];
    const graded = named(`ours r-lrp-graded${suffix}`);
    return {
      engine,
      overOwnForward: ours.msPerFrame / forward.msPerFrame,
      ...(graded && { gradedOverRLrp: graded.msPerFrame / ours.msPerFrame }),
      fasterThan: each((peer) => peer.msPerFrame / ours.msPerFrame),
      memoryOfPeer: each((peer) => ours.peakMib / peer.peakMib),
    };
  });
}

const row = (cells) => `| ${cells.join(" | ")} |`;

/** Two tables: what was measured, and the ratios of it. */
export function markdown(results, { batch, rounds, threads }) {
  const times = results.flatMap(({ network, rows }) =>
    rows.map((r) =>
      row([
        network,
        r.finite === false ? `${r.name} (gave NaN)` : r.name,
        r.msPerFrame.toFixed(1),
        r.bestMsPerFrame.toFixed(1),
        String(Math.round(r.peakMib)),
      ]),
    ),
  );
  const all = results.flatMap(({ network, ratios }) => ratios.map((r) => ({ network, ...r })));
  const names = [...new Set(all.flatMap((r) => Object.keys(r.fasterThan)))];
  const cell = (value, text) => (value === undefined ? "" : text(value));
  const lines = all.map(({ network, engine, ...r }) =>
    row([
      network,
      engine,
      r.overOwnForward.toFixed(2),
      cell(r.gradedOverRLrp, (v) => v.toFixed(2)),
      ...names.map((name) => cell(r.fasterThan[name], (v) => `${v.toFixed(1)}×`)),
      ...names.map((name) => cell(r.memoryOfPeer[name], (v) => v.toFixed(2))),
    ]),
  );
  return [
    `Batch ${batch}, ${threads} threads (ours as the worker has them: an engine each, frame by frame), median of ${rounds} rounds;`,
    "milliseconds a frame. A peer marked NaN gave numbers that are not finite.",
    "",
    row(["network", "contender", "median", "best", "peak MiB"]),
    row(["---", "---", "---:", "---:", "---:"]),
    ...times,
    "",
    row([
      "network",
      "engine",
      "r-lrp over own forward",
      "r-lrp-graded over r-lrp",
      ...names.map((n) => `faster than ${n}`),
      ...names.map((n) => `memory / ${n}`),
    ]),
    row(["---", "---", "---:", ...names.map(() => "---:"), ...names.map(() => "---:")]),
    ...lines,
  ].join("\n");
}
