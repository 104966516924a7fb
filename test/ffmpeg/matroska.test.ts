import { spawnSync } from "node:child_process";
import fc from "fast-check";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { pictureAt, streamHead } from "../../src/ffmpeg/matroska.js";

const WIDTH = 34;
const HEIGHT = 26;
let jpeg: Buffer;
beforeAll(async () => {
  jpeg = await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#123456" } })
    .jpeg()
    .toBuffer();
});

interface Read {
  streams: { codec_name: string; width: number; height: number; time_base: string; codec_type: string }[];
  packets: { pts_time: string; size: string; flags: string }[];
  format: { format_name: string };
}

/** A stream as ffprobe reads it, which must find no error in it. */
function readBack(stream: Buffer): Read {
  const args = ["-v", "error", "-of", "json", "-show_streams", "-show_packets", "-show_format", "-i", "pipe:0"];
  const { stdout, stderr, status } = spawnSync("ffprobe", args, {
    input: stream,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Read;
}

const streamOf = (times: readonly number[]): Buffer =>
  Buffer.concat([streamHead(WIDTH, HEIGHT), ...times.map((time) => pictureAt(time, jpeg))]);
const timesOf = ({ packets }: Read): number[] => packets.map((packet) => Math.round(Number(packet.pts_time) * 1e6));

describe("a Matroska stream of pictures", () => {
  it("is read as what it is, each picture whole and a key frame", () => {
    const { streams, packets, format } = readBack(streamOf([0, 40_000]));
    expect(format.format_name).toContain("matroska");
    expect(streams).toEqual([
      expect.objectContaining({ codec_type: "video", codec_name: "mjpeg", width: WIDTH, height: HEIGHT }),
    ]);
    expect(streams[0]!.time_base).toBe("1/1000000");
    expect(packets.map(({ size }) => Number(size))).toEqual([jpeg.length, jpeg.length]);
    for (const { flags } of packets) expect(flags).toMatch(/^K/);
  });

  it("keeps any times exactly, to the microsecond and over days", () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 1e10 })), {
      minLength: 1,
      maxLength: 12,
    });
    const property = fc.property(fc.nat(1e9), steps, (first, gaps) => {
      const times = [first];
      for (const gap of gaps) times.push(times.at(-1)! + gap);
      expect(timesOf(readBack(streamOf(times)))).toEqual(times);
    });
    fc.assert(property, { numRuns: 15 });
  });
});
