/** What bench/gpu.mjs found, as tables for docs/gpu.md. */
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(head), row(head.map((_, k) => (k === 0 ? "---" : "---:"))), ...rows.map(row)];
const TINY = 0.00005;

/** The time of a peer, in milliseconds, or nothing. */
const peer = (peers, network, batch, name) => {
  const found = peers.find((p) => p.network === network && p.batch === batch && p.name === name);
  return found === undefined ? "" : found.ms.toFixed(2);
};

export function markdown({ card, rehearsed, golden, times, peers, worker, skipped }) {
  const kinds = [...new Set(golden.map((g) => g.precision))];
  const cases = kinds.map((precision) => {
    const all = golden.filter((g) => g.precision === precision);
    const worst = all.reduce((a, b) => (b.apart > a.apart ? b : a));
    const within = worst.apart < TINY ? "< 0.0001" : worst.apart.toFixed(4);
    return [precision, String(all.length), String(all.filter((g) => g.same).length), `${within} (${worst.name})`];
  });
  const key = ({ network, precision, tf32, batch }) => [network, precision, tf32, batch].join();
  const forward = new Map(times.filter((t) => t.what === "forward").map((t) => [key(t), t]));
  const rows = times
    .filter((t) => t.what !== "forward" && forward.has(key(t)))
    .map((t) => {
      const plain = forward.get(key(t));
      const precision = t.precision === "float32" ? `float32${t.tf32 ? " (TF32)" : ""}` : t.precision;
      const ours = [t.network, precision, String(t.batch), plain.ms.toFixed(2), t.ms.toFixed(2)];
      const rate = String(Math.round((1000 * t.batch) / t.ms));
      const theirs = ["forward", "gradient-x-input", "zennit"].map((name) => peer(peers, t.network, t.batch, name));
      return [...ours, (t.ms / plain.ms).toFixed(2), rate, ...theirs];
    });
  const head = ["network", "precision", "batch", "forward ms", "+ r-lrp ms", "ratio", "frames/s"];
  const lines = [
    rehearsed ? `**A rehearsal on ${card}: its figures say nothing about a card.**` : `On ${card}.`,
    "",
    ...table(["golden cases", "cases", "same class", "furthest map"], cases),
    "",
    ...table([...head, "PyTorch forward ms", "gradient × input ms", "zennit ms"], rows),
  ];
  for (const w of worker) {
    const rates = Object.entries(w.framesPerSecond).map(([outcome, rate]) => `${rate.toFixed(0)} ${outcome}`);
    lines.push(
      "",
      `The worker, ${w.sources} generated sources of ${w.fps} frames/s (${w.precision}): ${rates.join(", ")} a second.`,
    );
  }
  if (skipped.length > 0) lines.push("", `Not run: ${skipped.join("; ")}.`);
  return `${lines.join("\n")}\n`;
}
