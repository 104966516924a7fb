/** What a file is that is no model this program reads, and what to do about it. */
interface Kind {
  /** As a sentence goes on after the file's name: `is …`. */
  what: string;
  todo: string;
  /** Whether the bytes tell; `text` is the beginning and the end of the file, a byte a character. */
  shows?: (bytes: Uint8Array, text: string) => boolean;
  /** Endings that tell where the bytes do not. */
  endings?: readonly string[];
}

/** So much of either end is looked at. */
const LOOKED_AT = 65_536;

const begins =
  (...magic: (string | readonly number[])[]) =>
  (bytes: Uint8Array): boolean =>
    magic.some((m) => {
      const wanted = typeof m === "string" ? Array.from(m, (c) => c.charCodeAt(0)) : m;
      return wanted.every((b, k) => bytes[k] === b);
    });
const holdsAt = (offset: number, magic: string) => (bytes: Uint8Array) => begins(magic)(bytes.subarray(offset));
const both =
  (a: (bytes: Uint8Array, text: string) => boolean, b: (text: string) => boolean) =>
  (bytes: Uint8Array, text: string) =>
    a(bytes, text) && b(text);
const isZip = begins("PK\x03\x04", "PK\x05\x06");
const isPickle = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5 && bytes.length > 4;

const EXPORT = "load it in PyTorch and export the network with torch.onnx.export";
const TF2ONNX = "python3 -m tf2onnx.convert";

/** The first kind that shows is it; those whose bytes are surest stand first. */
const KINDS: readonly Kind[] = [
  {
    what: "is a Git LFS pointer, not the file itself",
    todo: 'fetch it with "git lfs pull"',
    shows: begins("version https://git-lfs"),
  },
  {
    what: "is a web page, as a download behind a login gives",
    todo: "download the model itself",
    shows: (_, text) =>
      /^(?:\u00ef\u00bb\u00bf)?\s*(?:<!--[\s\S]{0,400}?-->\s*)?<(?:!doctype html|html|head|body)\b/i.test(text),
  },
  {
    what: "is a model of OpenVINO (IR)",
    todo: "give the ONNX file that it was converted from",
    shows: (_, text) => /^\s*(?:<\?xml[^>]*>\s*)?<net\b/.test(text),
  },
  {
    what: "is a PyTorch checkpoint",
    todo: EXPORT,
    shows: both(isZip, (text) => /\/(?:data\.pkl|constants\.pkl|byteorder|\.format_version)/.test(text)),
  },
  {
    what: "is a PyTorch checkpoint",
    todo: EXPORT,
    shows: both(isPickle, (text) => text.startsWith("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 2)),
  },
  {
    what: "is a Keras 3 model",
    todo: `load it in Python and write model.export("model.onnx", format="onnx")`,
    shows: both(isZip, (text) => /(?:metadata|config)\.json|model\.weights\.h5/.test(text)),
  },
  {
    what: "is an archive of NumPy arrays (.npz)",
    todo: "give the network itself as an ONNX file",
    shows: both(isZip, (text) => /\.npy/.test(text)),
  },
  { what: "is a zip archive", todo: "unpack it and give the model inside", shows: isZip },
  {
    what: "is an HDF5 file, as Keras writes it",
    todo: "convert it with tensorflowjs_converter --input_format=keras, or with tf2onnx to ONNX",
    shows: begins([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]),
  },
  {
    what: "is a model in ONNX Runtime's own format (.ort)",
    todo: "give the .onnx file that it was made from",
    shows: holdsAt(4, "ORTM"),
  },
  {
    what: "holds weights alone (safetensors)",
    todo: EXPORT,
    shows: (bytes, text) =>
      bytes.length > 9 && bytes[7] === 0 && bytes[6] === 0 && /^\{\s*("|\})/.test(text.slice(8, 40)),
  },
  {
    what: "is a GGUF file, as language models use it",
    todo: "give an ONNX file of a classifier of pictures",
    shows: begins("GGUF", "ggml", "lmgg"),
  },
  {
    what: "is an engine compiled by TensorRT",
    todo: "give the ONNX file that it was built from",
    shows: begins("ptrt", "ftrt"),
    endings: ["engine", "plan", "trt"],
  },
  { what: "is compressed", todo: "unpack it first, e.g. with gunzip", shows: begins([0x1f, 0x8b]) },
  {
    what: "is a compressed archive",
    todo: "unpack it and give the model inside",
    shows: (bytes) =>
      begins("BZh", "\xfd7zXZ", "7z\xbc\xaf", "Rar!", [0x28, 0xb5, 0x2f, 0xfd])(bytes) || holdsAt(257, "ustar")(bytes),
  },
  {
    what: "is a pickled scikit-learn object",
    todo: "convert it with skl2onnx",
    shows: both(isPickle, (text) => /sklearn|joblib/.test(text)),
  },
  {
    what: "is a pickled Python object",
    todo: "export the network in it to ONNX",
    shows: isPickle,
    endings: ["pkl", "pickle", "joblib"],
  },
  { what: "is a NumPy array", todo: "give the network itself as an ONNX file", shows: begins("\x93NUMPY") },
  {
    what: "is a TensorFlow SavedModel",
    todo: `convert its folder with "${TF2ONNX} --saved-model FOLDER --output model.onnx"`,
    shows: both(begins([0x08, 0x01, 0x12]), (text) => /serve|tensorflow|saved_model/.test(text)),
  },
  {
    what: "is a PaddlePaddle model",
    todo: "convert it with paddle2onnx",
    shows: both(begins([0x0a]), (text) => text.includes("feed") && text.includes("fetch")),
    endings: ["pdmodel", "pdiparams", "pdparams"],
  },
  {
    what: "is a frozen TensorFlow graph",
    todo: `convert it with "${TF2ONNX} --graphdef"`,
    shows: both(begins([0x0a]), (text) => text.includes("Placeholder") || text.includes("\x12\x05Const")),
  },
  {
    what: "is a picture or a film",
    todo: "give the model, and the picture as the file to explain",
    shows: (bytes) => begins([0xff, 0xd8, 0xff], "\x89PNG", "GIF8", "RIFF")(bytes) || holdsAt(4, "ftyp")(bytes),
  },
  { what: "is a program", todo: "give the model's own file", shows: begins("\x7fELF", "#!", [0x4d, 0x5a, 0x90, 0x00]) },
  { what: "is a PDF file", todo: "give the model's own file", shows: begins("%PDF") },
  {
    what: "is the architecture of a Keras model, without weights",
    todo: "convert the whole model with tensorflowjs_converter",
    shows: (_, text) =>
      isJson(text) && /"class_name"\s*:\s*"(?:Functional|Model|Sequential)"/.test(text) && !isTfjs(text),
  },
  {
    what: "holds nothing but zeros, as a broken download leaves",
    todo: "copy it again",
    shows: (_, text) => /^\0+$/.test(text),
  },
];

/** What only the ending tells, where the bytes are no ONNX file either. */
const BY_ENDING: readonly Kind[] = [
  {
    what: "is not an ONNX file but a PyTorch checkpoint by its ending",
    todo: EXPORT,
    endings: ["pth", "pt", "ckpt", "ptl", "tar"],
  },
  {
    what: "is not an ONNX file but a Keras model by its ending",
    todo: "convert it with tensorflowjs_converter or tf2onnx",
    endings: ["h5", "hdf5", "keras"],
  },
  {
    what: "is not an ONNX file but one of TensorFlow by its ending",
    todo: `convert it with "${TF2ONNX}"`,
    endings: ["pb"],
  },
  {
    what: "is not a TensorFlow Lite model, though its ending says so",
    todo: "copy it again",
    endings: ["tflite", "lite"],
  },
  {
    what: "is not an ONNX file but a Core ML model by its ending",
    todo: "give the model that it was converted from, as an ONNX file",
    endings: ["mlmodel"],
  },
  {
    what: "is not a model but the card of one by its ending",
    todo: "give the model's file, or the folder that holds both",
    endings: ["yaml", "yml"],
  },
  {
    what: "holds weights without the network",
    todo: "give the model's own file: model.onnx, or the model.json of TensorFlow.js",
    endings: ["bin", "weights", "data", "onnx_data"],
  },
  {
    what: "is of another framework by its ending",
    todo: "give an ONNX file of the network",
    endings: ["caffemodel", "prototxt", "params", "param", "mnn", "rknn", "cfg", "dlc", "hef", "nb"],
  },
  ...KINDS.filter((kind) => kind.endings),
];

const isJson = (text: string): boolean => /^(?:\u00ef\u00bb\u00bf)?\s*[{[]\s*["{}\]]/.test(text);
/** Whether the beginning of a file, a byte a character, is that of a model.json. */
const isTfjs = (text: string): boolean => text.includes('"modelTopology"') || text.includes('"weightsManifest"');

const looked = (bytes: Uint8Array): string => {
  const ends =
    bytes.length <= 2 * LOOKED_AT ? [bytes] : [bytes.subarray(0, LOOKED_AT), bytes.subarray(bytes.length - LOOKED_AT)];
  return ends.map((part) => Buffer.from(part.buffer, part.byteOffset, part.length).toString("latin1")).join("");
};

const sentence = ({ what, todo }: Kind): string => `${what}; ${todo}`;

/** Whether a file is JSON, whatever its name, and whether it is that of a model of TensorFlow.js. */
export function jsonIn(bytes: Uint8Array): "model" | "other" | undefined {
  const text = looked(bytes);
  return isJson(text) ? (isTfjs(text) ? "model" : "other") : undefined;
}

/**
 * What a file is that is surely neither an ONNX file nor a model.json: `is …; …` as a sentence goes on after its name.
 * Undefined where nothing is known.
 */
export function foreignKind(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "is empty; copy it again";
  const text = looked(bytes);
  const kind = KINDS.find(({ shows }) => shows?.(bytes, text));
  return kind && sentence(kind);
}

/** What the ending of a file tells that could not be read as a model. */
export function kindByEnding(file: string): string | undefined {
  const ending = /\.([^./\\]+)$/.exec(file)?.[1]?.toLowerCase();
  const kind = ending === undefined ? undefined : BY_ENDING.find(({ endings }) => endings?.includes(ending));
  return kind && sentence(kind);
}

/** Whether bytes are printable text for the most part, so that no binary format is damaged. */
export function isText(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, 4096);
  const odd = head.reduce((n, b) => n + (b < 9 || (b > 13 && b < 32) || b === 127 ? 1 : 0), 0);
  return head.length > 0 && odd === 0;
}
