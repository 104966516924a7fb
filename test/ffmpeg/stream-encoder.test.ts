import { describe, expect, it } from "vitest";
import { outputFault } from "../../src/ffmpeg/stream-encoder.js";

// As ffmpeg 5.1 said it of far ends that were away.
const cases: [ffmpeg: string, sentence: string][] = [
  [
    "Could not write header for output file #0 (incorrect codec parameters ?): Connection refused; Error initializing output stream 0:0 --",
    "connection refused",
  ],
  [
    "Error writing trailer of rtmp://127.0.0.1:19351/live/***: Broken pipe; Error closing file rtmp://127.0.0.1:19351/live/***: Broken pipe",
    "broken pipe",
  ],
  ["av_interleaved_write_frame(): Broken pipe", "broken pipe"],
  [
    "Connection to tcp://127.0.0.1:1935 failed: Connection refused; Cannot open connection tcp://127.0.0.1:1935",
    "connection to tcp://127.0.0.1:1935 failed: Connection refused; Cannot open connection tcp://127.0.0.1:1935",
  ],
  ["Error initializing output stream 0:0 --", "Error initializing output stream 0:0 --"],
];

describe("what ffmpeg says of a far end", () => {
  it.each(cases)("%s", (ffmpeg, sentence) => {
    expect(outputFault(ffmpeg)).toBe(sentence);
  });
});
