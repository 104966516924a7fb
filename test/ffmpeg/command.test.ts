import { expect, it } from "vitest";
import { ffmpegArguments } from "../../src/ffmpeg/command.js";

const parts = { input: "in.mp4", inputOptions: ["-ss", "1 2"], output: "pipe:1", outputOptions: ["-f", "a b"] };

it("a graph of filters stands between the input and what is made of its result", () => {
  const args = ffmpegArguments({ ...parts, filter: { graph: "[0:v]scale=4:2[out]" } });
  const filter = ["-filter_complex", "[0:v]scale=4:2[out]", "-map", "[out]"];
  expect(args).toEqual(["-ss", "1 2", "-i", "in.mp4", ...filter, "-f", "a b", "pipe:1"]);
});

it("a chain of filters is the output's own", () => {
  const args = ffmpegArguments({ ...parts, filter: { chain: "scale=4:2,format=yuv420p" } });
  const filter = ["-filter:v", "scale=4:2,format=yuv420p"];
  expect(args).toEqual(["-ss", "1 2", "-i", "in.mp4", ...filter, "-f", "a b", "pipe:1"]);
});
