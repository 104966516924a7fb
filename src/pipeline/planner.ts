import type { Haste } from "../ffmpeg/gate.js";
import { type AutoHardware, autoHardware, checkHardware } from "../ffmpeg/hardware.js";
import type { FfmpegVersion } from "../ffmpeg/version.js";
import type { ModelView } from "../fit.js";
import { type DecodePlan, planDecoding } from "./plan.js";
import type { SourceSpec } from "./source-spec.js";

export interface PlannerOptions {
  view: ModelView;
  /** For one look at the stream, in milliseconds. */
  probeMs: number;
  /** How often what is played in rounds is looked at for changes, in milliseconds. */
  loopMs: number;
  onNote?(note: string): void;
}

/** The choice of `hardware: auto` is logged once, not by every source. */
const announced = new WeakSet<AutoHardware>();

/** Plans a source's connections; what was learned from one counts for the next. */
export class Planner {
  #plan: DecodePlan | undefined;
  /** Of what the plan was made; empty where that cannot change. */
  #revision = "";
  /** Plan of the last connection that gave frames. */
  #shown: DecodePlan | undefined;
  /** It is one picture, to be asked for again and again. */
  #isSnapshot = false;
  /** Hardware gave no frame: `auto` does without it. */
  #isSoftware = false;

  constructor(
    private readonly spec: SourceSpec,
    private readonly options: PlannerOptions,
  ) {}

  get latest(): DecodePlan | undefined {
    return this.#plan;
  }

  /** Whether it ever gave frames. */
  get hasShown(): boolean {
    return this.#shown !== undefined;
  }

  /** A film's plan stays; what is live, has changed or loses its hardware is looked at anew. */
  async next(version: FfmpegVersion, haste: Haste, signal: AbortSignal): Promise<DecodePlan> {
    const { spec, options } = this;
    const revision = await this.#revisionNow();
    const isStale = spec.kind.isLive || revision !== this.#revision || (this.#plan?.hardware && this.#isSoftware);
    if (this.#plan && !isStale) return this.#plan;
    const hardware = await this.#hardware();
    const learned = { hardware, shown: this.#shown, snapshot: this.#isSnapshot };
    this.#plan = await planDecoding(spec, options.view, version, {
      ...{ timeoutMs: options.probeMs, haste, signal },
      ...learned,
    });
    this.#revision = revision;
    return this.#plan;
  }

  /** Frames came of this plan. */
  gaveFrames(plan: DecodePlan): void {
    this.#shown = plan;
  }

  isSnapshot(): void {
    this.#isSnapshot = true;
  }

  /** Hardware chosen by `auto` gave no frame. */
  withoutHardware(): void {
    this.#isSoftware = true;
  }

  /** Calls once what is played in rounds has changed and stays so, which a film that is being written does not. */
  watch(onChange: () => void): () => void {
    if (this.#revision === "") return () => {};
    let before = this.#revision;
    let looking = false;
    const look = async (): Promise<void> => {
      if (looking) return;
      looking = true;
      const now = await this.#revisionNow();
      looking = false;
      if (now !== "" && now !== this.#revision && now === before) onChange();
      before = now;
    };
    const timer = setInterval(look, this.options.loopMs);
    return () => clearInterval(timer);
  }

  /** Empty where it cannot change, or cannot be read. */
  async #revisionNow(): Promise<string> {
    const { config, kind, baseDir } = this.spec;
    if (!config.loop || kind.isLive) return "";
    try {
      return (await kind.revision?.(config, baseDir)) ?? "";
    } catch {
      return "";
    }
  }

  /** Undefined: software. Of the test picture nothing is decoded, and pictures not by ffmpeg. */
  async #hardware(): Promise<string | undefined> {
    const { config, kind, about } = this.spec;
    const { onNote } = this.options;
    if (config.hardware === "none" || this.#isSoftware || kind.size || kind.stills) return undefined;
    if (config.hardware !== "auto") {
      await checkHardware(config.hardware, about);
      return config.hardware;
    }
    const auto = await autoHardware();
    if (onNote && !announced.has(auto)) {
      announced.add(auto);
      onNote(auto.note);
    }
    return auto.name;
  }
}
