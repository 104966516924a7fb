/** EBML identifiers of the few elements that a stream of pictures needs (RFC 9559). */
const ID = {
  header: "1a45dfa3",
  docTypeReadVersion: "4285",
  docTypeVersion: "4287",
  docType: "4282",
  segment: "18538067",
  info: "1549a966",
  timestampScale: "2ad7b1",
  tracks: "1654ae6b",
  track: "ae",
  trackNumber: "d7",
  trackUid: "73c5",
  trackType: "83",
  lacing: "9c",
  defaultDuration: "23e383",
  codec: "86",
  video: "e0",
  width: "b0",
  height: "ba",
  cluster: "1f43b675",
  timestamp: "e7",
  simpleBlock: "a3",
} as const;

/** The segment goes on until the stream ends. */
const UNKNOWN_SIZE = Buffer.from("01ffffffffffffff", "hex");
/** Track 1, at the cluster's own time, a key frame. */
const BLOCK_HEAD = Buffer.from([0x81, 0, 0, 0x80]);
const VIDEO = 1;
const NANOSECONDS_A_TICK = 1000;

function uint(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

const head = (id: string, size: number): Buffer => {
  const bytes = uint(size);
  bytes[0] = 1;
  return Buffer.concat([Buffer.from(id, "hex"), bytes]);
};

function element(id: string, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([head(id, body.length), body]);
}

/**
 * The beginning of a Matroska stream of JPEG pictures whose times count microseconds. `nominalRate`: pictures a second that a
 * reader may reckon with, as encoders do for their level; their times stay their own.
 */
export const streamHead = (width: number, height: number, nominalRate?: number): Buffer =>
  Buffer.concat([
    element(
      ID.header,
      element(ID.docType, Buffer.from("matroska")),
      element(ID.docTypeVersion, uint(4)),
      element(ID.docTypeReadVersion, uint(2)),
    ),
    Buffer.from(ID.segment, "hex"),
    UNKNOWN_SIZE,
    element(ID.info, element(ID.timestampScale, uint(NANOSECONDS_A_TICK))),
    element(
      ID.tracks,
      element(
        ID.track,
        element(ID.trackNumber, uint(1)),
        element(ID.trackUid, uint(1)),
        element(ID.trackType, uint(VIDEO)),
        element(ID.lacing, uint(0)),
        ...(nominalRate === undefined ? [] : [element(ID.defaultDuration, uint(Math.round(1e9 / nominalRate)))]),
        element(ID.codec, Buffer.from("V_MJPEG")),
        element(ID.video, element(ID.width, uint(width)), element(ID.height, uint(height))),
      ),
    ),
  ]);

/** One picture at a time in microseconds, a whole number of 0 or more. */
export const pictureAt = (microseconds: number, jpeg: Uint8Array): Buffer =>
  element(ID.cluster, element(ID.timestamp, uint(microseconds)), element(ID.simpleBlock, BLOCK_HEAD, jpeg));
