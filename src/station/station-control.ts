import { setTimeout as sleep } from "node:timers/promises";
import { sourceFaults } from "../config/cross-checks.js";
import { checked } from "../config/request.js";
import { type Config, configSchema, type SourceConfig } from "../config/schema.js";
import { BoundedSemaphore } from "../control/bounded-semaphore.js";
import type { Changes } from "../control/changes.js";
import type { Control, ExplainedPicture } from "../control/control.js";
import { InputError, VideoExplainerError } from "../errors.js";
import type { Explainer } from "../explain/explanation.js";
import type { Logger } from "../log.js";
import type { SourceStatus } from "../messages/summary.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import { PictureMemory } from "../pictures/memory.js";
import { readRequested } from "../pictures/requested.js";
import { checkSource, claimOf, type FrameBudget, slabsOf } from "../pipeline/index.js";
import { checkAdded } from "./added-sources.js";
import { explainOne } from "./explain-one.js";
import type { Station } from "./station.js";

export interface StationControlOptions {
  station: Station;
  config: Config;
  baseDir: string;
  renderer: OverlayRenderer;
  log: Logger;
  /** Default: none. */
  budget?: FrameBudget;
  /** A warm explainer for these options. */
  createExplainer(explain: Config["explain"]): Promise<Explainer>;
  /** Closes one that was replaced. */
  retire(explainer: Explainer): Promise<void>;
}

const RETIRE_MS = 5000;

/** Source of the summaries of pictures that were asked for. */
const REQUEST = "request";
const PICTURES_AT_ONCE = 2;
/** Settings that need no other explainer. */
const HOT_KEYS: ReadonlySet<string> = new Set<keyof Config["explain"]>(["every"]);

/** Requests, as a station can answer them. */
export class StationControl implements Control {
  readonly station: string;
  readonly #startedAt = Date.now();
  readonly #pictures = new BoundedSemaphore(PICTURES_AT_ONCE, 64);
  readonly #memory = new PictureMemory(PICTURES_AT_ONCE);
  readonly #additions = new BoundedSemaphore(4, 64);
  /** One change at a time: each begins from what the one before it left. */
  readonly #changes = new BoundedSemaphore(1, 16);
  /** Names of the sources that requests have added. */
  readonly #added = new Set<string>();
  #explain: Config["explain"];
  #overlay: Config["overlay"];
  #asked = 0;
  #closing = false;

  constructor(private readonly options: StationControlOptions) {
    const { station, explain, overlay } = options.config;
    this.station = station;
    this.#explain = explain;
    this.#overlay = overlay;
  }

  explain(bytes: Uint8Array): Promise<ExplainedPicture> {
    return this.#pictures.run(async () => {
      const { station, renderer } = this.options;
      const picture = await readRequested(bytes, station.settings.explainer.model, this.#memory);
      try {
        const { summary, overlay, heatmap } = await explainOne(picture, {
          // Not before: a change of the method closes the one it replaces.
          explainer: station.settings.explainer,
          renderer,
          style: this.#overlay,
          station: this.station,
          source: REQUEST,
          epoch: this.#startedAt,
          sequence: this.#asked++,
          want: { overlay: true, original: false, heatmap: true },
        });
        // Not when that failed: a thread that hangs or ends may still be reading it.
        this.#memory.give(picture.memory);
        return { summary, overlay: overlay!, heatmap: heatmap! };
      } finally {
        picture.release();
      }
    });
  }

  sources() {
    const { station } = this.options;
    const { dropped, ...total } = station.total();
    return { sources: station.statuses(), total: { ...total, dropped: { ...dropped } as Record<string, number> } };
  }

  addSource(config: SourceConfig): Promise<SourceStatus> {
    return this.#additions.run(async () => {
      const { station, baseDir, budget } = this.options;
      const { sources: rules } = this.options.config.control;
      const { name } = config;
      refuseContradictions(config);
      station.expectNew(name);
      this.#expectRoom();
      await checkAdded(config, rules, baseDir);
      const layout = await checkSource(config, baseDir).catch((cause: unknown) => {
        if (cause instanceof VideoExplainerError) throw cause;
        throw new InputError("source", `url cannot be used (${(cause as Error).message}); check it`, { cause });
      });
      const excess = layout && budget?.excess(name, claimOf(layout, slabsOf(layout), config.fps));
      if (excess) throw new InputError("too-large", `${excess}; make width and height or fps smaller`);
      // Others were added meanwhile.
      this.#expectRoom();
      const status = station.add(config, () => checkAdded(config, rules, baseDir));
      this.#added.add(name);
      return status;
    });
  }

  #expectRoom(): void {
    const { count } = this.options.config.control.sources;
    if (this.#added.size < count) return;
    const text = `${count} sources were added at run time, which is the limit of control.sources.count; remove one first`;
    throw new VideoExplainerError("too-many", text);
  }

  async removeSource(name: string): Promise<SourceStatus> {
    const last = await this.options.station.remove(name);
    this.#added.delete(name);
    return last;
  }

  config(): Config {
    const { config, station } = this.options;
    return { ...config, explain: this.#explain, overlay: this.#overlay, sources: [...station.sourceConfigs] };
  }

  /** Takes no change from now on; resolves when none is under way any more. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#changes.whenIdle();
  }

  change(changes: Changes): Promise<Config> {
    return this.#changes.run(async () => {
      const { station, log } = this.options;
      if (this.#closing) {
        throw new VideoExplainerError("stopping", "the station is stopping: nothing can be changed; ask the next one");
      }
      const grid = { ...this.#explain.grid, ...given(changes.explain?.grid) };
      const explain = checked(
        configSchema.shape.explain,
        { ...this.#explain, ...given(changes.explain), grid },
        "explain",
      );
      const overlay = checked(configSchema.shape.overlay, { ...this.#overlay, ...given(changes.overlay) }, "overlay");
      const changed = {
        explain: differences(this.#explain, explain),
        overlay: differences(this.#overlay, overlay),
      };
      const before = station.settings.explainer;
      const anew = changed.explain.some((key) => !HOT_KEYS.has(key));
      const explainer = anew ? await this.options.createExplainer(explain) : before;
      if (explainer.model.sha256 !== before.model.sha256) {
        await this.options.retire(explainer);
        throw new InputError("model-changed", "the model file has changed since the start; restart the worker");
      }
      station.settings = { explainer, every: explain.every, overlay };
      this.#explain = explain;
      this.#overlay = overlay;
      const names = Object.entries(changed).flatMap(([part, keys]) => keys.map((key) => `${part}.${key}`));
      if (names.length > 0) log.info(`configuration changed until the next start: ${names.join(", ")}`);
      // What is in its hands is still finished; one that hangs is not waited for.
      if (anew) await Promise.race([this.options.retire(before), sleep(RETIRE_MS, undefined, { ref: false })]);
      return this.config();
    });
  }
}

/** Keys without a value are as good as not given. */
const given = (changes: object | undefined): object =>
  Object.fromEntries(Object.entries(changes ?? {}).filter(([, value]) => value !== undefined));

function differences(before: object, after: object): string[] {
  const old = before as Record<string, unknown>;
  return Object.keys(after).filter((key) => {
    return JSON.stringify((after as Record<string, unknown>)[key]) !== JSON.stringify(old[key]);
  });
}

function refuseContradictions(source: SourceConfig): void {
  const faults = sourceFaults(source).map(({ key, text }) => `${key} ${text}`);
  if (faults.length > 0) throw new InputError("source", faults.join("; "));
}
