/** The page of what bench/files.mjs measured: a row a kind, a column a network. */
export function filesPage(networks, measured) {
  const rows = measured.toSorted((a, b) => networks.indexOf(a.network) - networks.indexOf(b.network));
  const shown = networks.filter((name) => rows.some(({ network }) => network === name));
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const cell = (kind, network) => {
    const row = rows.find((r) => r.kind === kind && r.network === network);
    if (!row) return "";
    if (row.fault)
      return row.agree === undefined && /cannot be explained/.test(row.fault) ? "refused" : "not read by onnxruntime";
    return `${row.agree}/${row.pictures}, ${row.median === undefined ? "—" : row.median.toFixed(4)}`;
  };
  const table = [
    ["kind", "made by", ...shown],
    ["---", "---", ...shown.map(() => "---:")],
    ...kinds.map((kind) => {
      const { tool } = rows.find((r) => r.kind === kind);
      return [kind, tool, ...shown.map((network) => cell(kind, network))];
    }),
  ];
  return `${PREAMBLE}\n${table.map((line) => `| ${line.join(" | ")} |`).join("\n")}\n`;
}

const PREAMBLE = `# Forms of files

Quantised and half-precision files, external weights, open sizes: what people keep of one network, each made by its own tool and
explained on twenty pictures by the default method. Written by \`bench/files.mjs\`, which makes all of it again.

## How quantised files are explained

- **Weights** of whole numbers (int8, uint8, int16, 4 bits; one scale, one a channel, one a block) are dequantised when the file is
  loaded, biases with them. Weights of float16 and bfloat16 are taken as float32, casts between floats are dropped.
- **Tensors** that the file quantises (QuantizeLinear and DequantizeLinear around an operator, or an operator on whole numbers, as
  QLinearConv) keep that in the forward pass: they are rounded and clipped as the file does, so that the class and its scores are those
  of the quantised network. Clips without the rounding gave the runtime's class for 136 of 140 pictures (three files of EfficientNet-Lite0,
  two of inspection-cnn, two of mobilenet_v3_small), with it all 140 had it; it makes the forward pass about 1.4 times as long.
- **Relevance** passes a rounding as it passes any one-to-one function. What a layer is (behind a ReLU, a gate, part of a norm) is decided
  as if nothing were rounded, so that the rules are those of the float32 network.
- A rounding whose least number is the zero point **is a ReLU** that the quantiser has folded away, and counts as one, unless what
  it rounds cannot be negative anyway. Its largest number is a clip. Behind \`x + c\`, where it ends at 2c or below, it stands for the clip of a
  hard-sigmoid.
- A tensor that is quantised while the model runs (DynamicQuantizeLinear) has a scale of its own in each frame, whatever the batch.
- \`inspect\` and the first lines of the log say what was done, e.g. \`its numbers: int8 weights, dequantised; 53 tensors rounded and
  clipped as the file quantises them, 21 of them in place of a ReLU\`.

Refused by node and operator: float8, arithmetic on whole numbers that stand for other values, tensors quantised with a scale for each
channel, fused attention on whole numbers (QAttention), files that onnxruntime has laid out for one kind of processor (optimisation level
all with com.microsoft.nchwc).

## Measured

Each cell: for how many pictures the class is one to which onnxruntime gives its highest score of the same file (quantised scores may be
equal), and the median correlation of the map with that of the float32 network, where both explain the same class. The network of
torchvision has random weights but for its norms and its last layer, which are fitted to the pictures. With channels last (nhwc) λ of
\`r-lrp-graded\` is 1 from the first kernel of 3 on, as in the reference maps, so that this method gives another map; \`r-lrp\` gives the same.
onnxruntime reads no convolution of bfloat16, so that its own class is not known there.
`;
