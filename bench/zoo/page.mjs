const row = (cells) => `| ${cells.join(" | ")} |`;
const millions = (v) => (v / 1e6).toFixed(v < 1e7 ? 1 : 0);

/** The list of networks as a page of Markdown. */
export function modelsPage(rows, threads) {
  return [
    "# Networks that were explained",
    "",
    "Written by `node bench/zoo.mjs`. Random weights with the statistics that training leaves in batch norms, one picture of",
    `224 × 224 pixels, batch 1, ${threads} threads on onnxruntime's CPU. *Error* is the largest difference of the \`r-lrp\` map to a`,
    "float64 twin on PyTorch, over the largest |R|; *compile* counts from the file to the first frame that can be taken, without",
    "the cache of compiled models; times are medians of six runs, in milliseconds. *Close calls* are windows of max pools whose",
    "two highest values differ by less than a millionth: float32 may take the other one, or both, which moves that window's",
    "relevance by a pixel. *Same winners* is the error where the twin, in float64 otherwise, takes the winners that float32 took:",
    "what is left beside such windows.",
    "",
    row([
      "network",
      "exported by",
      "MiB",
      "layers",
      "parameters, 10⁶",
      "multiply-adds, 10⁶",
      "compile",
      "forward",
      "forward + r-lrp",
      "ratio",
      "error",
      "same winners",
      "correlation",
      "close calls",
    ]),
    row(["---", "---", ...new Array(12).fill("---:")]),
    ...rows.map((r) =>
      row([
        r.name,
        r.by,
        r.mib.toFixed(0),
        r.layers,
        millions(r.parameters),
        millions(r.multiplyAdds),
        r.compileMs.toFixed(0),
        r.forwardMs.toFixed(1),
        r.explainMs.toFixed(1),
        (r.explainMs / r.forwardMs).toFixed(2),
        r.error.toExponential(1),
        (r.sameWinners ?? r.error).toExponential(1),
        r.correlation.toFixed(7),
        r.closeCalls,
      ]),
    ),
    "",
  ].join("\n");
}
