const row = (cells) => `| ${cells.join(" | ")} |`;
const millions = (v) => (v / 1e6).toFixed(v < 1e7 ? 1 : 0);

/** How a network's row begins. */
const startOf = ({ name, by }) => `| ${name} | ${by} |`;

/** The list of networks as a page of Markdown; networks without a row here keep the one that they have on `page`. */
export function modelsPage(networks, rows, threads, page) {
  const old = page.split("\n");
  const lineOf = (network) => {
    const measured = rows.find((r) => startOf(r) === startOf(network));
    return measured ? lineOfRow(measured) : old.find((line) => line.startsWith(startOf(network)));
  };
  return [
    "# Networks that were explained",
    "",
    "Written by `node bench/zoo.mjs`. Random weights with the statistics that training leaves in batch norms, one picture of",
    `224 × 224 pixels, batch 1, ${threads} threads on onnxruntime's CPU. *Error* is the largest difference of the \`r-lrp\` map to a`,
    "float64 twin on PyTorch, over the largest |R|; *compile* counts from the file to the first frame that can be taken, without",
    "the cache of compiled models; times are medians of runs in turn (nine; six in rows without *work*), in milliseconds. *Work* is the ratio of forward + r-lrp to",
    "forward in processor time of all threads. Rows that have it were taken beside other work, which makes their times long: of those it",
    "is the figure to go by. *Close calls* are windows of max pools whose two highest values differ by less than a millionth: float32",
    "may take the other one, or both, which moves that window's relevance by a pixel. *Same winners* is the error where the twin, in",
    "float64 otherwise, takes the winners that float32 took: what is left beside such windows. *OpenVINO* is forward + r-lrp on that",
    "engine, *its error* the largest difference to onnxruntime's map over the largest |R|; *bfloat16* is the same in that precision, with",
    "the correlation of its map with onnxruntime's. Random weights amplify rounding more than trained ones do: docs/precision.md has those.",
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
      "work",
      "error",
      "same winners",
      "correlation",
      "close calls",
      "OpenVINO",
      "its error",
      "bfloat16",
      "its correlation",
    ]),
    row(["---", "---", ...new Array(17).fill("---:")]),
    ...networks.flatMap((network) => lineOf(network) ?? []),
    "",
  ].join("\n");
}

const lineOfRow = (r) =>
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
    r.workRatio.toFixed(2),
    r.error.toExponential(1),
    (r.sameWinners ?? r.error).toExponential(1),
    r.correlation.toFixed(7),
    r.closeCalls,
    r.openvinoMs?.toFixed(1) ?? "",
    r.openvinoError?.toExponential(1) ?? "",
    r.bfloat16Ms?.toFixed(1) ?? "",
    r.bfloat16Correlation?.toFixed(4) ?? "",
  ]);
