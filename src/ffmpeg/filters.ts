import { GREY, type ModelView } from "../fit.js";
import type { FrameLayout, Rect } from "../frame.js";
import { fitting, type Rotation, watchedRegion } from "../frame.js";
import { resizing } from "./resizing.js";
import { SAME_ASPECT, SAY_SIZE, sayAspect } from "./shape.js";

export interface GraphOptions {
  layout: FrameLayout;
  region?: Rect;
  /** Degrees clockwise, before all that counts pixels. */
  rotate?: Rotation;
  view: ModelView;
  /** At most so many frames a second; frames are only left out, never repeated. */
  fps?: number;
  /** Its clock may be wrong now and then. */
  live?: boolean;
  /** Proportions that fill the frame. Pictures of others are set into it, grey beside them, instead of being stretched to it. */
  aspect?: number;
  /** Pixels are taken to be square, whatever the stream says. */
  storedPixels?: boolean;
  /** How its colours were coded, instead of what the stream says; a name of ffmpeg's. */
  colorspace?: string;
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

const colour = (rgb: readonly number[]): string =>
  `0x${rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;
/** Beside pictures of other proportions than the frame's. */
const FILL = colour(GREY);

/**
 * The filter graph from the input's pictures to one raw RGB picture a frame, laid out as `FrameLayout` says, and one
 * line a frame with its time in microseconds on descriptor 3. Its output is named `out`.
 */
export function filterGraph({
  layout,
  region,
  rotate = 0,
  view,
  fps,
  live,
  aspect,
  storedPixels,
  colorspace,
  videoStream = 0,
  untimed,
}: GraphOptions): string {
  const { width, height, inputWidth, inputHeight } = layout;
  const watched = watchedRegion(width, height, region);
  const fitted = fitting(watched, view);
  const { target } = fitted;
  const across = Math.max(width, inputWidth);
  const picture = [
    // The container counts in periods of 40 ms, in which two pictures may come. This is the host's clock, which may be set.
    ...(untimed ? ["settb=AVTB", "setpts=RTCTIME-RTCSTART"] : []),
    ...(fps ? [atMost(fps, live ?? false)] : []),
    ...(colorspace ? [`setparams=colorspace=${colorspace}`] : []),
    ...TURNS[rotate],
    scaled(width, height, storedPixels ? "a" : "dar", aspect),
    "format=rgb24",
    ...(aspect ? [`pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2:color=${FILL}:eval=frame`] : []),
    "split[whole][watched]",
  ];
  // Both pictures are padded to one width, which vstack demands.
  const whole = across > width ? `[whole]pad=${across}:${height}:0:0[top]` : "[whole]null[top]";
  const input = [
    ...resizing(fitted, view),
    ...(target.width < inputWidth || target.height < inputHeight
      ? [`pad=${inputWidth}:${inputHeight}:${target.x}:${target.y}:color=${colour(view.fill ?? GREY)}`]
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

/** Scales to the frame; pictures of other proportions than are expected, to the largest of theirs that lies in it. Says what comes. */
function scaled(width: number, height: number, now: "a" | "dar", expected?: number): string {
  const ratio = `${now}/${expected}`;
  const side = (full: number, part: string): string =>
    expected ? `if(lt(abs(${ratio}-1),${SAME_ASPECT}),${full},max(1,trunc(${full}*min(1,${part})+0.5)))` : `${full}`;
  const w = `${SAY_SIZE}+${side(width, ratio)}`;
  const h = `${sayAspect(now)}+${side(height, `1/(${ratio})`)}`;
  // Pixels may change their shape, the picture its size; only what is evaluated for each frame follows.
  return `scale=w='${w}':h='${h}':flags=bicubic:eval=frame`;
}

/**
 * Takes the frame nearest to when one is due (a jittery camera's as much as a quarter of a period early) and owes at most one: even gaps on
 * a film, the full rate of a camera. ffmpeg's own `fps` filter would repeat frames to reach the rate, and fill a jump of the stream's clock
 * with thousands of them. Time is counted by the gaps between frames, and where a clock was set a usual gap is counted: when it goes back,
 * when it comes back from there, and of a live stream when it leaps ahead; that a leap was a pause shows with the frame after it.
 */
function atMost(fps: number, live: boolean): string {
  const period = 1 / fps;
  const [due, time, usual, leapt, back] = ["0", "1", "2", "3", "4"];
  const gap = "(t-prev_t)";
  const leap = live ? `gt(${gap},max(1,8*ld(${usual})))*gt(ld(${usual}),0)*not(ld(${leapt}))` : "0";
  const steady = `gt(${gap},0)*not(ld(${back}))*not(${leap})`;
  const passed = `if(${steady},${gap}+${period}*ld(${leapt}),ld(${usual}))`;
  const learnt = `if(${steady}*not(ld(${leapt})),if(ld(${usual}),ld(${usual})+(${gap}-ld(${usual}))/8,${gap}),ld(${usual}))`;
  const move = `st(5,${leap});st(${time},ld(${time})+${passed});st(${usual},${learnt});st(${leapt},ld(5)*not(ld(${back})));st(${back},lt(${gap},0))`;
  const early = `min(${period / 4},0.45*ld(${usual}))`;
  const next = `st(${due},max(ld(${due}),ld(${time})-${period})+${period})`;
  const first = `0*st(${due},${period})*st(${time},0)+1`;
  const later = `${move};if(gte(ld(${time}),ld(${due})-${early}),0*${next}+1,0)`;
  return `select='if(isnan(prev_t),${first},${later})'`;
}
