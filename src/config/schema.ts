import { z } from "zod";
import { MAX_CACHE_BYTES } from "../cache-home.js";
import { DEVICES, ENGINE_NAMES, PRECISIONS } from "../explain/engine-names.js";
import { INPUT_RULE_NAMES, METHOD_NAMES, START_NAMES } from "../explain/method-names.js";
import { SUBJECT_TOKEN } from "../messages/headers.js";
import { MESSAGE_KINDS } from "../messages/message.js";
import { COLORMAP_NAMES, OVERLAY_SHOWS } from "../overlay/names.js";
import { onlySchema, whenSchema } from "./choice.js";

const name = z
  .string()
  .regex(
    SUBJECT_TOKEN,
    "must be letters, digits, - or _, beginning with a letter or digit (it becomes part of NATS subjects)",
  );
/** Of an engine; more than any machine has. */
export const MAX_THREADS = 256;

const positive = z.number().int().positive();

const region = z
  .strictObject({
    x: z.number().int().min(0),
    y: z.number().int().min(0),
    width: positive,
    height: positive,
  })
  .describe("Rectangle in frame pixels that alone is classified and explained; the overlay stays on the whole frame");

const share = z.number().min(0).max(1);

/** A URL, a path or a glob. */
const address = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^\P{Cc}*$/u, "must not hold control characters");

export const sourceSchema = z.strictObject({
  name: name.describe("Name of the source; part of every subject"),
  url: address.describe(
    "rtsp://, rtmp://, http(s):// (HLS, MJPEG, film), udp://, tcp://, srt://, /dev/videoN, testsrc, a film, an image folder or a glob; paths are relative to the configuration file",
  ),
  policy: z
    .enum(["latest", "every-frame"])
    .optional()
    .describe(
      "latest: the newest frame wins; every-frame: nothing is lost, the source is paused instead. Default: every-frame for films and images, latest for the rest",
    ),
  fps: z.number().positive().max(1000).optional().describe("Frames a second at most; default: as the source gives"),
  width: positive.max(7680).optional().describe("Scale frames to this width; default: the source's own"),
  height: positive
    .max(4320)
    .optional()
    .describe("Scale frames to this height; default: the source's own, or in proportion to width"),
  loop: z.boolean().default(false).describe("Films and images only: begin again at the end"),
  pace: z
    .enum(["realtime", "fast"])
    .optional()
    .describe(
      "Films and images only: play at their own speed, or as fast as they are explained. Default: realtime when looping, else fast",
    ),
  rotate: z
    .literal([0, 90, 180, 270])
    .default(0)
    .describe(
      "Degrees clockwise that the picture is turned before all else: width, height and region are of the turned picture",
    ),
  pixelAspect: z
    .enum(["display", "stored"])
    .default("display")
    .describe(
      "Video whose pixels are not square. display: shown in the proportions that are meant to be seen, so that frames have square pixels; stored: as its pixels are stored",
    ),
  colorMatrix: z
    .enum(["auto", "bt601", "bt709", "bt2020"])
    .default("auto")
    .describe(
      "How the colours of video are coded. auto: as it says itself; where it does not, BT.709 for HD (1280 wide or more than 576 high) and BT.601 below, as players do; else what is named here, whatever it says",
    ),
  region: region.optional(),
  interest: region
    .optional()
    .describe(
      "Rectangle in frame pixels that a decision should rest on: a summary says how much of its relevance lies there, and warns when too little does",
    ),
  truth: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Films and images only: CSV file of what is known of its pictures, relative to the configuration file: seconds or a picture's name, label, mask. Summaries then say whether the decision is right, and how much of the relevance lies within the mask",
    ),
  hardware: z
    .string()
    .regex(/^[a-z0-9_]+$/, "must be none, auto or a name that `ffmpeg -hwaccels` lists, such as vaapi")
    .default("none")
    .describe(
      "Where the video is decoded. none: in software; auto: on the first hardware that works, else in software; or one of ffmpeg's hwaccels: cuda, vaapi, qsv, videotoolbox, d3d11va, dxva2, vdpau, drm, vulkan. Not run on real hardware yet",
    ),
  transport: z.enum(["tcp", "udp"]).default("tcp").describe("RTSP only"),
  stallSeconds: z
    .number()
    .positive()
    .default(10)
    .describe(
      "No frame for so long: stalled, and restarted. A look at a stream and its first frame may each take twice as long, at least 20 s",
    ),
  inputOptions: z.array(z.string()).default([]).describe("More ffmpeg options before -i"),
});

/** Beginning of a reply subject: whole tokens of ours and others', never `$JS` or a wildcard. */
const INBOX = /^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,7}$/;
/** Names of the kinds of sources, as `src/pipeline/sources/registry.ts` has them. */
export const SOURCE_KIND_NAMES = ["testsrc", "v4l2", "rtsp", "http", "network", "images", "file"] as const;

const addedSources = z
  .strictObject({
    kinds: z
      .array(z.enum(SOURCE_KIND_NAMES))
      .default(["testsrc", "rtsp", "http", "network", "images", "file"])
      .describe("network: rtmp, srt, udp and tcp; file and images: only in the folders named below"),
    hosts: z
      .array(z.string().regex(/^[A-Za-z0-9.:*_-]+(?:\/\d{1,3})?$/, "must be a name, an address, a range or *"))
      .optional()
      .describe(
        'Only these hosts: names, "*.domain", addresses, ranges such as 10.0.0.0/8, or "*" for all. Default: all but this machine and link-local addresses, where clouds keep a machine\'s secrets',
      ),
    folders: z
      .array(z.string().min(1))
      .default([])
      .describe(
        "Folders in which films and pictures may be opened, links followed; relative to the configuration file. Default: none",
      ),
    listen: z
      .boolean()
      .default(false)
      .describe(
        "Also sources that open a port here: tcp with ?listen, srt with mode=listener, udp that joins no group",
      ),
    count: positive.max(1000).default(64).describe("So many at a time"),
  })
  .prefault({})
  .describe("Which sources may be added at run time, by requests over NATS");

/** Name of the NATS micro service, and first token of its subjects. */
export const SERVICE = "video-explainer";
/** Groups of requests that it answers. */
export const SERVICES = ["explain", "sources", "config"] as const;

const sinkNameSchema = z
  .string()
  .regex(SUBJECT_TOKEN, "must be letters, digits, - or _, beginning with a letter or digit")
  .refine((text) => text !== "model", "must not be model, as readiness names the model itself")
  .optional()
  .describe(
    "Name of the sink in metrics, readiness and log lines, unique; default: its kind, with a number from the second of a kind on (nats, nats-2)",
  );

/** How a NATS server is logged in to. */
const natsLogin = {
  user: z.string().optional().describe("Login, together with password"),
  password: z.string().optional().describe("Best taken from the environment"),
  token: z.string().optional().describe("Login by a token instead"),
  credentials: z
    .string()
    .min(1)
    .optional()
    .describe("Path of a .creds file (user JWT and seed), relative to the configuration file; read at each connection"),
  nkey: z.string().optional().describe("Seed of a user's nkey, SU…"),
  nkeyFile: z
    .string()
    .min(1)
    .optional()
    .describe("Path of a file with that seed, relative to the configuration file; read at each connection"),
  tls: z
    .strictObject({
      ca: z.string().min(1).optional().describe("PEM file of the authorities to trust; default: those of Node.js"),
      cert: z.string().min(1).optional().describe("PEM file of the worker's own certificate, where the server asks"),
      key: z.string().min(1).optional().describe("PEM file of its key, without a passphrase"),
      handshakeFirst: z
        .boolean()
        .default(false)
        .describe("For servers with handshake_first, which encrypt before they greet"),
      serverName: z
        .string()
        .min(1)
        .optional()
        .describe("Name that the server's certificate must bear; default: the host of its address"),
    })
    .optional()
    .describe("Encrypt, as tls:// addresses do; paths are relative to the configuration file, read at each connection"),
};

export const natsSinkSchema = z.strictObject({
  kind: z.literal("nats"),
  name: sinkNameSchema,
  servers: z.array(z.string().min(1)).min(1).default(["nats://127.0.0.1:4222"]).describe("Addresses, tried in turn"),
  prefix: name.default("explain").describe("First subject token"),
  jetstream: z.boolean().default(false).describe("Acknowledged publishes into a stream over {prefix}.{station}.>"),
  stream: z
    .strictObject({
      name: name.optional().describe("Default: {prefix}-{station}"),
      maxAgeSeconds: positive.default(3600).describe("How long messages are kept"),
      maxBytes: positive.default(1024 * 1024 * 1024).describe("The oldest go beyond it"),
      replicas: positive
        .max(5)
        .optional()
        .describe(
          "Servers of a cluster that keep the stream, 1 to 5: with 3 one of them may be away, as for an upgrade, and nothing waits. Default: 1, and a stream that is there already keeps what it has",
        ),
      storage: z.enum(["file", "memory"]).default("file").describe("Where the server keeps them"),
      duplicateWindowSeconds: positive.default(120).describe("How long the server remembers Nats-Msg-Id"),
    })
    .prefault({}),
  ...natsLogin,
  bufferBytes: positive
    .default(256 * 1024 * 1024)
    .describe(
      "Messages kept while the server is away; beyond it frames wait (every-frame) or the oldest is dropped and counted (latest)",
    ),
  publish: z
    .array(z.enum(MESSAGE_KINDS))
    .default(["summary", "overlay", "heatmap", "status"])
    .describe("Kinds of messages that go out; original: the frame as it was decoded, a JPEG"),
  only: onlySchema,
  service: z
    .array(z.enum(SERVICES))
    .default([...SERVICES])
    .describe(
      "What the micro service video-explainer answers on this connection: explain a picture, list and change sources, read and change the configuration",
    ),
  inboxPrefixes: z
    .array(z.string().regex(INBOX, "must be letters, digits, - or _, in parts with a dot between"))
    .min(1)
    .default(["_INBOX"])
    .describe(
      "What the reply subjects of requests must begin with to be answered, for clients with an inbox prefix of their own; requests from other accounts (_R_) are answered too",
    ),
});

const hostNames = z
  .array(z.string().regex(/^\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, "must be a host name without scheme and port"))
  .default([]);

export const viewerSinkSchema = z.strictObject({
  kind: z.literal("viewer"),
  name: sinkNameSchema,
  host: z.string().default("127.0.0.1").describe("Address to listen on; 0.0.0.0 opens it to the network"),
  port: z.number().int().min(0).max(65535).default(8080).describe("0: a free one, named in the log"),
  hosts: hostNames.describe(
    "Names under which the page is opened, beside this machine's own and any address; needed off this machine where no token is set. .example.com: every name below it",
  ),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{8,}$/, "must be 8 or more printable characters without spaces")
    .optional()
    .describe("The page is shown only to who opens it with ?token=…; default: to everybody who reaches it"),
  only: onlySchema,
  decisions: z
    .strictObject({
      everySeconds: z
        .number()
        .positive()
        .max(3600)
        .default(5)
        .describe("An explained frame so often is kept, beside each whose class is another than that before it"),
      count: z.number().int().min(0).max(1000).default(48).describe("Kept of a source; 0: none"),
      sourceBytes: positive.default(16 * 1024 * 1024).describe("Their pictures and summaries, of a source"),
      bytes: positive.default(64 * 1024 * 1024).describe("The same of all sources"),
    })
    .prefault({})
    .describe(
      "Explained frames that the page's strips show; where there is no room the class with most of them gives its oldest",
    ),
  history: z
    .strictObject({
      sink: z
        .string()
        .min(1)
        .optional()
        .describe("Name of the nats sink whose stream is read; default: the first with jetstream: true"),
      maxAgeSeconds: positive.max(2_592_000).default(3600).describe("How far back"),
      messages: positive.max(100_000).default(5000).describe("Summaries that are looked at, the newest ones"),
    })
    .optional()
    .describe(
      "At the start the strips are filled with what earlier runs published into JetStream; default: they begin empty",
    ),
});

export const filesSinkSchema = z.strictObject({
  kind: z.literal("files"),
  name: sinkNameSchema,
  path: z.string().min(1).describe("Folder; one folder a source in it"),
  publish: z
    .array(z.enum(MESSAGE_KINDS))
    .default(["summary", "overlay"])
    .describe("Kinds that are written; original: the frame as it was decoded, a JPEG"),
  only: onlySchema,
  mode: z
    .string()
    .regex(/^0?6[046][046]$/, 'must be read and write for the owner and no execution, such as "0600" or "0640"')
    .default("0600")
    .describe(
      'Permissions of its files, in quotes, such as "0640"; its folders may be entered by who may read the files',
    ),
});

export const stdoutSinkSchema = z.strictObject({
  kind: z.literal("stdout"),
  name: sinkNameSchema,
  publish: z
    .array(z.enum(["summary", "status"]))
    .default(["summary"])
    .describe("Kinds that are written"),
  only: onlySchema,
});

/** Encoders of H.264 that a stream may be made with, as ffmpeg calls them. */
export const STREAM_ENCODERS = [
  "libx264",
  "libopenh264",
  "h264_nvenc",
  "h264_vaapi",
  "h264_qsv",
  "h264_videotoolbox",
  "h264_v4l2m2m",
] as const;

export const streamSinkSchema = z.strictObject({
  kind: z.literal("stream"),
  name: sinkNameSchema,
  url: address.describe(
    "Where the overlays of a source go as H.264: rtsp(s)://, rtmp(s):// or srt://, or a folder for HLS, relative to the configuration file; {source} and {station} are filled in",
  ),
  sources: z.array(name).min(1).optional().describe("Names of the sources that are streamed; default: all"),
  only: onlySchema,
  encoder: z
    .enum(STREAM_ENCODERS)
    .default("libx264")
    .describe(
      "libx264 and libopenh264 run on any processor; the others want their hardware, and have not run on it yet",
    ),
  maxKilobits: positive
    .max(1_000_000)
    .optional()
    .describe("Thousand bits a second that a stream takes at most; default: as many as the pictures need"),
  streams: positive.max(64).default(16).describe("So many at a time, each a process; further sources are not streamed"),
  hls: z
    .strictObject({
      segmentSeconds: positive.max(60).default(2).describe("Length of a segment; cut at whole pictures, one each 2 s"),
      segments: positive.min(2).max(1000).default(10).describe("Kept in the playlist; older ones are deleted"),
    })
    .prefault({}),
  mode: z
    .string()
    .regex(/^0?6[046][046]$/, 'must be read and write for the owner and no execution, such as "0600" or "0640"')
    .default("0600")
    .describe(
      'HLS: who may read it, in quotes: "0640" the group, "0644" everybody; its folder is opened to them alone',
    ),
});

/** One line registers a sink kind in the configuration. */
export const sinkSchema = z.discriminatedUnion("kind", [
  natsSinkSchema,
  viewerSinkSchema,
  filesSinkSchema,
  stdoutSinkSchema,
  streamSinkSchema,
]);

export type SinkConfig = z.infer<typeof sinkSchema>;

/** What a sink is called wherever there may be several. */
export const sinkName = ({ name, kind }: Pick<SinkConfig, "name" | "kind">): string => name ?? kind;

/** What `capture` and `explain` share. */
const fleetSchema = z
  .strictObject({
    servers: z.array(z.string().min(1)).min(1).default(["nats://127.0.0.1:4222"]).describe("Addresses, tried in turn"),
    ...natsLogin,
    prefix: name
      .default("VIDEO_EXPLAINER")
      .describe(
        "Of the streams {prefix}_FRAMES and {prefix}_RESULTS, whose names are the first token of their subjects",
      ),
    domain: name.optional().describe("JetStream domain of the streams, where that is not the server's own"),
    picture: z
      .enum(["png", "jpeg", "raw"])
      .default("png")
      .describe(
        "How the model's input travels. png: to the last bit; jpeg: smaller, and probabilities change by some hundredths (docs/fleet.md); raw: uncompressed, for a fast network and a busy processor",
      ),
    quality: z.number().int().min(50).max(100).default(97).describe("Of a JPEG, whose colours are not subsampled"),
    maxWaiting: positive.max(1024).default(32).describe("Frames of a capture that wait for their answers"),
    maxAgeMs: z
      .number()
      .int()
      .min(50)
      .max(3_600_000)
      .default(2000)
      .describe(
        "A frame of a live source that is older when a worker comes to it is not explained, but counted as stale",
      ),
    answerSeconds: positive
      .max(3600)
      .default(10)
      .describe("A frame of a live source that has no answer so long after it was captured is dropped; a film waits"),
    ackWaitSeconds: positive
      .max(600)
      .default(3)
      .describe("A frame whose worker was not heard of for so long is given to another"),
    stream: z
      .strictObject({
        maxBytes: positive
          .default(256 * 1024 * 1024)
          .describe("Of each of the two streams; frames beyond it are refused, and dropped where they are live"),
        maxAgeSeconds: positive.max(86_400).default(60).describe("How long frames and results are kept at most"),
        replicas: positive.max(5).optional().describe("Servers of a cluster that keep them. Default: 1"),
        storage: z.enum(["file", "memory"]).default("file").describe("Where the servers keep them"),
      })
      .prefault({}),
  })
  .prefault({})
  .describe("How captures and explain workers reach each other over JetStream: docs/fleet.md");

export const ROLES = ["all", "capture", "explain"] as const;
export type Role = (typeof ROLES)[number];

export const configSchema = z.strictObject({
  station: name.default("station").describe("Name of this worker; part of every subject"),
  role: z
    .enum(ROLES)
    .default("all")
    .describe(
      "all: sources, explaining and sinks in one process; capture: frames are explained by workers of a fleet; explain: such a worker, which needs no sources and sinks",
    ),
  model: z.strictObject({
    path: z
      .string()
      .min(1)
      .describe(
        "ONNX, TensorFlow Lite or model.json file, or folder with one and its card; relative to the configuration file",
      ),
    output: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Name of the model's output that holds the scores, where the file has several; before what the card says",
      ),
  }),
  engine: z
    .strictObject({
      kind: z
        .enum(["auto", ...ENGINE_NAMES])
        .default("auto")
        .describe("auto: the best that loads, in this order; openvino once npm run setup:openvino has run"),
      device: z
        .enum(["auto", ...DEVICES])
        .default("auto")
        .describe(
          "auto: the fastest that is here, once it agrees with the processor; intel-gpu and intel-npu with openvino; cuda and tensorrt once npm run setup:cuda or setup:tensorrt has run, and webgpu, with onnxruntime; cpu: the processor",
        ),
      precision: z
        .enum(PRECISIONS)
        .default("float32")
        .describe(
          "Of the numbers in between: bfloat16 takes two thirds of the time with openvino where the processor has it; float16 is for graphics cards, with onnxruntime; maps differ by some percent",
        ),
      maxBatch: positive.max(256).default(8).describe("Frames of a batch, of all sources"),
      maxWaitMs: z.number().min(0).max(1000).default(20).describe("How long a batch waits for more frames"),
      threads: z.number().int().min(0).max(MAX_THREADS).default(0).describe("0: one per core"),
      cache: z
        .string()
        .min(1)
        .default("auto")
        .describe(
          "Folder that keeps compiled models for the next start; auto: video-explainer in the user's cache folder; off: none",
        ),
      cacheBytes: positive
        .default(MAX_CACHE_BYTES)
        .describe(
          "What that folder may hold; the ones not used for longest go first, and the one just made stays whatever its size",
        ),
    })
    .prefault({}),
  explain: z
    .strictObject({
      method: z.enum(METHOD_NAMES).default("r-lrp-graded").describe("How relevance is computed: docs/method.md"),
      inputRule: z
        .enum(INPUT_RULE_NAMES)
        .optional()
        .describe("Rule of the layer that reads the picture; default: the method's own"),
      start: z
        .enum(START_NAMES)
        .optional()
        .describe(
          "one-hot: what speaks for this class; rivals: and against others as likely as they are; contrast: for it rather than the others; default: the method's own",
        ),
      target: z
        .union([z.literal("top"), z.string().min(1), z.number().int().min(0)])
        .default("top")
        .describe("The class to explain: the top one, or always that of this label or index"),
      every: positive.default(1).describe("Explain each Nth frame of a source; all are classified"),
      when: whenSchema
        .nullable()
        .default(null)
        .describe(
          "Explain only the frames that one of these reasons chooses, once they are classified; null: every decides. A frame that a reason other than every chooses is run through the network once more",
        ),
      top: positive.max(100).default(5).describe("Classes in a summary"),
      grid: z
        .strictObject({ rows: positive.max(64).default(8), columns: positive.max(64).default(8) })
        .prefault({})
        .describe("Cells of a summary's relevance by place"),
      blur: z
        .number()
        .min(0)
        .max(20)
        .default(2)
        .describe("Standard deviation, in model-input pixels, of the blur of heatmap, regions and centroid"),
    })
    .prefault({}),
  sources: z
    .array(sourceSchema)
    .max(1000)
    .default([])
    .describe("May be empty when a nats sink serves `sources`: they are then added at run time"),
  control: z.strictObject({ sources: addedSources }).prefault({}).describe("What requests over NATS may do"),
  limits: z
    .strictObject({
      frameBytes: positive
        .optional()
        .describe("Memory of the frames of all sources. Default: half of what the machine or container has"),
      pixelsPerSecond: positive
        .default(2_000_000_000)
        .describe("Of all sources together; one that does not say its rate counts with 25 frames a second"),
    })
    .prefault({})
    .describe("What sources may take: one added at run time beyond it is refused, a configured one is warned of"),
  warnings: z
    .strictObject({
      border: share
        .default(0.5)
        .describe("Of more relevance than this at the border of the model's input (a 28th of it on each side)"),
      fewPixels: share.default(0.5).describe("Of more relevance than this in the most relevant half percent of pixels"),
      outside: share.default(0.5).describe("Of more relevance than this outside of the source's `interest`"),
      driftFrames: z
        .number()
        .int()
        .min(0)
        .max(100_000)
        .refine((frames) => frames === 0 || frames >= 5, "must be 5 or more, or 0 for no comparison")
        .default(100)
        .describe(
          "Explained frames of a source, 5 or more, whose relevance is together compared with where it usually lies, which is learned from the first forty times as many; 0: never",
        ),
    })
    .prefault({})
    .describe("Shares of the relevance, 0 to 1, beyond which a summary warns; 1: never"),
  overlay: z
    .strictObject({
      show: z.enum(OVERLAY_SHOWS).default("magnitude").describe("What the heat stands for"),
      colormap: z.enum(COLORMAP_NAMES).default("inferno").describe("Of magnitude and positive heat"),
      opacity: z.number().min(0).max(1).default(0.6).describe("Of the strongest heat"),
      quality: z.number().int().min(1).max(100).default(80).describe("Of the JPEG"),
    })
    .prefault({}),
  sinks: z.array(sinkSchema).default([]),
  fleet: fleetSchema,
  metrics: z
    .strictObject({
      host: z.string().default("127.0.0.1").describe("Address to listen on; 0.0.0.0 in a container"),
      port: z.number().int().min(0).max(65535).default(9090).describe("0: a free one, named in the log"),
      hosts: hostNames.describe(
        "Names under which it is asked, beside this machine's own and any address; empty: any name where host is no loopback address",
      ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(["debug", "info", "warn", "error"]).default("info").describe("Least that is logged"),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;
export type FleetConfig = Config["fleet"];
export type SourceConfig = z.infer<typeof sourceSchema>;

export type NatsSinkConfig = z.infer<typeof natsSinkSchema>;
export type ViewerSinkConfig = z.infer<typeof viewerSinkSchema>;
export type FilesSinkConfig = z.infer<typeof filesSinkSchema>;
export type StdoutSinkConfig = z.infer<typeof stdoutSinkSchema>;
export type StreamSinkConfig = z.infer<typeof streamSinkSchema>;
