import { Assembler } from "./assembler.js";
import { CaptureClock } from "./clock.js";
import { type Decoder, type DecoderEnd, startDecoder } from "./ffmpeg.js";
import type { Frame } from "./frame.js";
import { FrozenWatch } from "./frozen.js";
import type { Haste } from "./gate.js";
import { showPictures } from "./pictures/show.js";
import { type DecodePlan, outputOptions, type SourceSpec } from "./plan.js";
import type { Slab, SlabPool } from "./slabs.js";
import type { Timing } from "./timing.js";
import type { FfmpegVersion } from "./tools.js";

export interface EpochEvents {
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
}

export interface EpochEnd extends DecoderEnd {
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
export class Epoch {
  readonly #decoder: Decoder;
  readonly #assembler: Assembler;
  readonly #clock: CaptureClock;
  readonly #frozen: FrozenWatch | undefined;
  readonly #watch: NodeJS.Timeout;
  #frames = 0;
  #unreadable = 0;
  #lastSign = performance.now();
  #lastPts = Number.NaN;
  #released: (() => void) | undefined;
  #stopped = false;

  constructor(
    private readonly spec: SourceSpec,
    private readonly plan: DecodePlan,
    private readonly pool: SlabPool,
    version: FfmpegVersion,
    private readonly timing: Timing,
    private readonly events: EpochEvents,
    haste: Haste,
  ) {
    const live = spec.kind.isLive && !plan.finite;
    // How often the picture of a snapshot changes is not known.
    const watched = live && !plan.asksAgain;
    this.#clock = new CaptureClock(live);
    this.#frozen = watched ? new FrozenWatch(timing.frozenMs) : undefined;
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
    this.#watch = setInterval(() => this.#lookForSilence(), timing.tickMs);
  }

  /** No further frame can come before one is released. */
  get isHeld(): boolean {
    return this.#assembler.isHeld;
  }

  get pid(): number | undefined {
    return this.#decoder.pid;
  }

  words(): string[] {
    return this.#decoder.words.lines();
  }

  /** Resolves when ffmpeg is gone and all that it wrote has been handed over, or let go by `stop`. */
  async ended(): Promise<EpochEnd> {
    const end = await this.#decoder.ended;
    if (this.#assembler.isHeld && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#released = resolve;
      });
    }
    clearInterval(this.#watch);
    const cutOff = this.#assembler.end();
    const { words } = this.#decoder;
    return {
      ...end,
      cutOff,
      frames: this.#frames,
      unreadable: this.#unreadable,
      complaints: words.summary(),
      damage: words.inputSummary(),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#released?.();
    await this.#decoder.stop();
  }

  #onPicture(slab: Slab, time: number, receivedAt: number): void {
    const { config, policy } = this.spec;
    const { layout } = this.plan;
    this.#sign(receivedAt);
    const pts = this.#risen(time);
    this.#lastPts = pts;
    const { pool } = this;
    this.events.onFrame({
      source: config.name,
      pts,
      capturedAt: this.#clock.stamp(pts, Date.now()),
      receivedAt,
      policy,
      layout,
      memory: slab.memory,
      release: () => pool.release(slab),
    });
    if (this.#frozen) {
      this.events.onFrozen(this.#frozen.look(slab.bytes.subarray(0, layout.stride * layout.height), receivedAt));
    }
  }

  #risen(time: number): number {
    const last = this.#lastPts;
    // A picture without a time comes a usual period after the one before.
    if (Number.isNaN(time)) return Number.isNaN(last) ? 0 : last + 0.04;
    // Cameras give two pictures one time, or a first one none; a film's own times are left as they are.
    const repeated = this.spec.kind.isLive && time <= last && last - time < 1;
    return repeated ? last + 0.001 : time;
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
    const stallMs = Math.max(this.spec.config.stallSeconds, 3 * (this.plan.againSeconds ?? 0)) * 1000;
    const limit = this.#frames > 0 ? stallMs : Math.max(stallMs, this.timing.connectMs);
    if (performance.now() - this.#lastSign > limit) this.events.onStall(limit / 1000);
  }
}
