import type { FrameLayout, Rect } from "./frame.js";
import { type Fit, fitting, type Rotation, watchedRegion } from "./placement.js";

export interface GraphOptions {
  layout: FrameLayout;
  region?: Rect;
  /** Degrees clockwise, before all that counts pixels. */
  rotate?: Rotation;
  fit: Fit;
  /** At most so many frames a second; frames are only left out, never repeated. */
  fps?: number;
  /** Which of the input's pictures streams to take; cover pictures do not count. */
  videoStream?: number;
  /** The time of each picture is that of its coming. */
  untimed?: boolean;
}

const TURNS: Record<Rotation, readonly string[]> = {
  0: [],
  90: ["transpose=clock"],
  180: ["hflip", "vflip"],
  270: ["transpose=cclock"],
};

/** Mid grey: about zero once a model's mean is subtracted. */
const FILL = "0x808080";

/**
 * The filter graph from the input's pictures to one raw RGB picture a frame, laid out as `FrameLayout` says, and one
 * line a frame with its time in microseconds on descriptor 3. Its output is named `out`.
 */
export function filterGraph({ layout, region, rotate = 0, fit, fps, videoStream = 0, untimed }: GraphOptions): string {
  const { width, height, inputWidth, inputHeight } = layout;
  const watched = watchedRegion(width, height, region);
  const { source, target } = fitting(watched, fit, inputWidth, inputHeight);
  const across = Math.max(width, inputWidth);
  const picture = [
    // The container counts in periods of 40 ms, in which two pictures may come.
    ...(untimed ? ["settb=AVTB", "setpts=RTCTIME-RTCSTART"] : []),
    ...(fps ? [atMost(fps)] : []),
    ...TURNS[rotate],
    `scale=${width}:${height}:flags=bicubic`,
    "format=rgb24",
    "split[whole][watched]",
  ];
  // Both pictures are padded to one width, which vstack demands.
  const whole = across > width ? `[whole]pad=${across}:${height}:0:0[top]` : "[whole]null[top]";
  const input = [
    `crop=${source.width}:${source.height}:${source.x}:${source.y}:exact=1`,
    `scale=${target.width}:${target.height}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp`,
    "format=rgb24",
    ...(target.width < inputWidth || target.height < inputHeight
      ? [`pad=${inputWidth}:${inputHeight}:${target.x}:${target.y}:color=${FILL}`]
      : []),
    ...(across > inputWidth ? [`pad=${across}:${inputHeight}:0:0`] : []),
  ];
  return [
    `[0:V:${videoStream}]${picture.join(",")}`,
    whole,
    `[watched]${input.join(",")}[bottom]`,
    // The raw output needs no times; a stream's own may go back, which ffmpeg would complain of there.
    // Time stamps are printed with six significant digits only, so the exact number of microseconds is read instead.
    "[top][bottom]vstack,settb=AVTB,metadata=mode=add:key=frame:value=1,metadata=mode=print:key=frame:file='pipe\\:3':direct=1,setpts=N*1000/TB[out]",
  ].join(";");
}

/**
 * Takes a frame when it is due, up to a quarter of a period early, and owes at most one: even gaps on a film, the full
 * rate of a jittery camera. ffmpeg's own `fps` filter would repeat frames to reach the rate, and fill a jump of the
 * stream's clock with thousands of them.
 */
function atMost(fps: number): string {
  const period = 1 / fps;
  const first = "isnan(prev_t)+lt(t\\,prev_t)";
  const due = `if(${first}\\,t\\,max(ld(0)\\,t-${period}))+${period}`;
  return `select='if(${first}+gte(t\\,ld(0)-${period / 4})\\,1+0*st(0\\,${due})\\,0)'`;
}
