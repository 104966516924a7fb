import { BoundedSemaphore } from "../bounded-semaphore.js";
import { sourceFaults } from "../config/cross-checks.js";
import type { Config, SourceConfig } from "../config/schema.js";
import type { Changes } from "../control/changes.js";
import type { Control, ExplainedPicture } from "../control/control.js";
import { InputError, VideoExplainerError } from "../errors.js";
import type { SourceStatus } from "../messages/summary.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import { PictureMemory } from "../pictures/memory.js";
import { readRequested } from "../pictures/requested.js";
import { checkSource, claimOf, type FrameBudget, slabsOf } from "../pipeline/index.js";
import { checkAdded } from "./added-sources.js";
import { explainOne } from "./explain-one.js";
import type { Settings } from "./settings.js";
import type { Station } from "./station.js";

export interface StationControlOptions {
  station: Station;
  /** As it is in force, but for what requests have changed. */
  readonly config: Config;
  settings: Settings;
  baseDir: string;
  renderer: OverlayRenderer;
  /** Default: none. */
  budget?: FrameBudget;
}

/** Source of the summaries of pictures that were asked for. */
const REQUEST = "request";
const PICTURES_AT_ONCE = 2;

/** Requests, as a station can answer them. */
export class StationControl implements Control {
  readonly station: string;
  readonly #startedAt = Date.now();
  readonly #pictures = new BoundedSemaphore(PICTURES_AT_ONCE, 64);
  readonly #memory = new PictureMemory(PICTURES_AT_ONCE);
  readonly #additions = new BoundedSemaphore(4, 64);
  /** Names of the sources that requests have added. */
  readonly #added = new Set<string>();
  #asked = 0;

  constructor(private readonly options: StationControlOptions) {
    this.station = options.config.station;
  }

  explain(bytes: Uint8Array): Promise<ExplainedPicture> {
    return this.#pictures.run(async () => {
      const { settings, renderer } = this.options;
      const picture = await readRequested(bytes, settings.current.explainer.model, this.#memory);
      try {
        // Not before: a change of the method closes the explainer that it replaces.
        const { explainer, overlay: style, warnings: limits } = settings.current;
        const { summary, overlay, heatmap } = await explainOne(picture, {
          ...{ explainer, renderer, style },
          station: this.station,
          source: REQUEST,
          epoch: this.#startedAt,
          sequence: this.#asked++,
          want: { overlay: true, original: false, heatmap: true },
          limits,
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
      const found = await checkSource(config, baseDir).catch((cause: unknown) => {
        if (cause instanceof VideoExplainerError) throw cause;
        throw new InputError("source", `url cannot be used (${(cause as Error).message}); check it`, { cause });
      });
      const excess = found && budget?.excess(name, claimOf(found.layout, slabsOf(found.layout), config.fps));
      if (excess) throw new InputError("too-large", `${excess}; make width and height or fps smaller`);
      // Others were added meanwhile.
      this.#expectRoom();
      const status = station.add(config, { admit: () => checkAdded(config, rules, baseDir) });
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
    const { config, station, settings } = this.options;
    const { explain, overlay } = settings.current;
    return { ...config, explain, overlay, sources: [...station.sourceConfigs] };
  }

  async change(changes: Changes): Promise<Config> {
    await this.options.settings.change(changes);
    return this.config();
  }
}

function refuseContradictions(source: SourceConfig): void {
  const faults = sourceFaults(source).map(({ key, text }) => `${key} ${text}`);
  if (faults.length > 0) throw new InputError("source", faults.join("; "));
}
