/** The middle value, or the mean of the two middle ones. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** What forward + r-lrp costs over our own forward pass, and how many times faster than each peer it is. */
export function ratios(rows) {
  const time = (name) => rows.find((row) => row.name === name).msPerFrame;
  // Numbers that are not finite are no explanation to be faster than.
  const peers = rows.filter((row) => !row.name.startsWith("ours ") && row.name !== "forward" && row.finite !== false);
  return {
    overOwnForward: time("ours r-lrp") / time("ours forward"),
    fasterThan: Object.fromEntries(peers.map((row) => [row.name, row.msPerFrame / time("ours r-lrp")])),
    memoryOfPeer: Object.fromEntries(
      peers.map((row) => [row.name, rows.find((r) => r.name === "ours r-lrp").peakMib / row.peakMib]),
    ),
  };
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
  const names = [...new Set(results.flatMap((r) => Object.keys(r.ratios.fasterThan)))];
  const cell = (value, text) => (value === undefined ? "" : text(value));
  const lines = results.map(({ network, ratios: r }) =>
    row([
      network,
      r.overOwnForward.toFixed(2),
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
      "r-lrp over own forward",
      ...names.map((n) => `faster than ${n}`),
      ...names.map((n) => `memory / ${n}`),
    ]),
    row(["---", "---:", ...names.map(() => "---:"), ...names.map(() => "---:")]),
    ...lines,
  ].join("\n");
}
