import { type Decoder, type DecoderEnd, startDecoder } from "../ffmpeg/decoder.js";
import type { Haste } from "../ffmpeg/gate.js";
import { outputOptions } from "../ffmpeg/output.js";
import { type Shape, ShapeReader } from "../ffmpeg/shape.js";
import type { FfmpegVersion } from "../ffmpeg/version.js";
import type { Frame } from "../frame.js";
import { Assembler } from "./assembler.js";
import { CaptureClock, WallClock } from "./clock.js";
import { FrozenWatch } from "./frozen.js";
import { showPictures } from "./pictures.js";
import type { DecodePlan } from "./plan.js";
import type { Slab, SlabPool } from "./slabs.js";
import type { SourceSpec } from "./source-spec.js";
import { StreamTime } from "./stream-time.js";
import { type Limits, limitsOf, type Timing } from "./timing.js";

export interface SessionEvents {
  /** A frame, without its place in the source's count: that is the source's to give. */
  onFrame(frame: Omit<Frame, "epoch" | "sequence">): void;
  /** A whole picture came and could not be kept. */
  onLost(): void;
  /** A picture of several cannot be decoded: why, in one sentence that names it. */
  onUnreadable(why: string): void;
  /** No slab is free: `latest` sources give one back. */
  onNoSlab(): void;
  onStall(seconds: number): void;
  onFrozen(frozen: boolean): void;
  /** What the pictures from now on are, said when they begin and whenever it changes. */
  onShape(shape: Shape): void;
}

export interface SessionEnd extends DecoderEnd {
  frames: number;
  /** Pictures that could not be decoded. */
  unreadable: number;
  /** The last picture came in part only. */
  cutOff: boolean;
  /** ffmpeg's complaints, as part of a sentence. */
  complaints: string | null;
  /** Those of what it read, without those of its output to us. */
  damage: string | null;
}

/** One connection of a source: one run of ffmpeg, from its start to its end. */
export class DecoderSession {
  readonly #decoder: Decoder;
  readonly #assembler: Assembler;
  readonly #live: boolean;
  readonly #limits: Limits;
  readonly #time: StreamTime;
  readonly #clock: CaptureClock;
  readonly #wall = new WallClock();
  readonly #frozen: FrozenWatch | undefined;
  readonly #watch: NodeJS.Timeout;
  #frames = 0;
  #unreadable = 0;
  #lastSign = performance.now();
  #firstAt: number | undefined;
  #released: (() => void) | undefined;
  #stopped = false;

  constructor(
    private readonly spec: SourceSpec,
    private readonly plan: DecodePlan,
    private readonly pool: SlabPool,
    version: FfmpegVersion,
    timing: Timing,
    private readonly events: SessionEvents,
    haste: Haste,
  ) {
    const live = spec.kind.isLive && !plan.finite;
    this.#live = live;
    this.#limits = limitsOf(spec.config.stallSeconds, timing);
    this.#time = new StreamTime(live);
    this.#clock = new CaptureClock(live);
    // How often the picture of a snapshot changes is not known.
    this.#frozen = live && !plan.asksAgain ? new FrozenWatch(this.#limits.frozenMs) : undefined;
    this.#assembler = new Assembler(pool, {
      waits: spec.policy === "every-frame",
      onPicture: (slab, pts, at) => this.#onPicture(slab, pts, at),
      onLost: () => this.#onLost(),
      onNoSlab: () => events.onNoSlab(),
      resume: () => {
        this.#lastSign = performance.now();
        this.#decoder.resume();
        this.#released?.();
      },
    });
    pool.onFree = () => this.#assembler.slabFreed();
    this.#decoder = plan.stills
      ? showPictures(plan.stills, spec.mask, this.#assembler, (why) => this.#onUnreadable(why))
      : startDecoder({
          ...plan,
          outputOptions: outputOptions(version),
          mask: spec.mask,
          graceMs: timing.graceMs,
          haste,
          pictures: this.#assembler,
          onTime: (seconds) => this.#assembler.addTime(seconds),
          onStart: () => {
            this.#lastSign = performance.now();
          },
        });
    this.#decoder.stderrTail.shapes = new ShapeReader((shape) => events.onShape(shape));
    this.#watch = setInterval(() => this.#lookForSilence(), timing.tickMs);
  }

  /** No further frame can come before one is released. */
  get isHeld(): boolean {
    return this.#assembler.isHeld;
  }

  get pid(): number | undefined {
    return this.#decoder.pid;
  }

  /** ffmpeg's last lines. */
  logLines(): string[] {
    return this.#decoder.stderrTail.lines();
  }

  /** Resolves when ffmpeg is gone and all that it wrote has been handed over, or let go by `stop`. */
  async ended(): Promise<SessionEnd> {
    const end = await this.#decoder.ended;
    if (this.#assembler.isHeld && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#released = resolve;
      });
    }
    clearInterval(this.#watch);
    const cutOff = this.#assembler.end();
    const { stderrTail } = this.#decoder;
    return {
      ...end,
      cutOff,
      frames: this.#frames,
      unreadable: this.#unreadable,
      complaints: stderrTail.summary(),
      damage: stderrTail.inputSummary(),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#released?.();
    await this.#decoder.stop();
  }

  #onPicture(slab: Slab, time: number, receivedAt: number): void {
    const { config, policy } = this.spec;
    const { layout, truth } = this.plan;
    this.#sign(receivedAt);
    const mended = this.#time.mend(time, receivedAt);
    const moment = this.#clock.place(mended, receivedAt);
    this.#firstAt ??= moment;
    const { pool } = this;
    const pts = this.#pts(time, mended, moment - this.#firstAt);
    const known = truth?.(pts);
    this.events.onFrame({
      source: config.name,
      pts,
      capturedAt: this.#wall.at(moment),
      receivedAt,
      policy,
      layout,
      memory: slab.memory,
      ...(known && { truth: known }),
      release: () => pool.release(slab),
    });
    if (this.#frozen) {
      this.events.onFrozen(this.#frozen.look(slab.bytes.subarray(0, layout.stride * layout.height), receivedAt));
    }
  }

  /** Seconds; the times of an untimed stream are ffmpeg's, whose clock may be set, so how long the picture came after the first counts. */
  #pts(time: number, mended: number, milliseconds: number): number {
    if (this.plan.untimed) return milliseconds / 1000;
    // A film's own times are left as they are.
    return this.#live || Number.isNaN(time) ? mended : time;
  }

  #onLost(): void {
    this.#sign(performance.now());
    this.events.onLost();
  }

  #onUnreadable(why: string): void {
    this.#unreadable++;
    this.#lastSign = performance.now();
    this.events.onUnreadable(why);
  }

  #sign(at: number): void {
    this.#frames++;
    this.#lastSign = at;
  }

  #lookForSilence(): void {
    // Before ffmpeg runs there is nothing to be heard.
    if (this.#assembler.isHeld || this.#decoder.pid === undefined) return;
    const stallMs = Math.max(this.#limits.stallMs, 3000 * (this.plan.againSeconds ?? 0));
    const limit = this.#frames > 0 ? stallMs : Math.max(stallMs, this.#limits.connectMs);
    if (performance.now() - this.#lastSign > limit) this.events.onStall(limit / 1000);
  }
}
