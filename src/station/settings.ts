import { BehaviorSubject, type Observable, timer } from "rxjs";
import { BoundedSemaphore } from "../bounded-semaphore.js";
import { rebased } from "../config/changed.js";
import { type ChoiceFault, explainFaults } from "../config/choice.js";
import { unknownLabels } from "../config/choice-labels.js";
import { checked } from "../config/request.js";
import { type Config, configSchema } from "../config/schema.js";
import type { Changes } from "../control/changes.js";
import { InputError, VideoExplainerError } from "../errors.js";
import type { Explainer } from "../explain/explanation.js";
import type { Logger } from "../log.js";
import type { OverlayStyle } from "../overlay/overlay.js";
import { needsClassifier } from "./explainer-options.js";
import { orUntil } from "./or-until.js";

/** What frames are explained and drawn with. */
export interface FrameSettings {
  explainer: Explainer;
  explain: Pick<Config["explain"], "every" | "when">;
  overlay: OverlayStyle;
  warnings: Config["warnings"];
}

/** As a configuration that says nothing of it. */
export const defaultWarnings = (): Config["warnings"] => configSchema.shape.warnings.parse(undefined);

/** Where frames find their settings: those on their way keep what they began with. */
export interface SettingsSource {
  readonly current: FrameSettings;
}

export interface ChangeableSettings extends FrameSettings {
  explain: Config["explain"];
}

type FileSettings = Pick<Config, "explain" | "overlay" | "warnings">;

export interface SettingsParts {
  log: Logger;
  /** A warm explainer for these options. */
  createExplainer(explain: Config["explain"]): Promise<Explainer>;
  /** Closes one that was replaced. */
  retire(explainer: Explainer): Promise<void>;
}

/** What is in the hands of an explainer that was replaced is still finished; one that hangs is not waited for longer. */
const RETIRE_MS = 5000;

/** The one owner of what can be changed while a station runs. */
export class Settings implements SettingsSource {
  /** One change at a time: each begins from what the one before it left. */
  readonly #changes = new BoundedSemaphore(1, 16);
  readonly #current: BehaviorSubject<ChangeableSettings>;
  /** What is in force, and what comes to be: for who keeps a copy. */
  readonly current$: Observable<ChangeableSettings>;
  #closing = false;

  constructor(
    atStart: ChangeableSettings,
    private readonly parts: SettingsParts,
  ) {
    this.#current = new BehaviorSubject(atStart);
    this.current$ = this.#current.asObservable();
  }

  get current(): ChangeableSettings {
    return this.#current.value;
  }

  /**
   * Resolves once the changes are in force; frames are explained as before until then, since a new explainer is made
   * ready beside the present one. Rejects, and nothing has changed, with an `InputError` where they are wrong.
   */
  async change(changes: Changes): Promise<void> {
    const names = await this.#set((before) => {
      const grid = { ...before.explain.grid, ...given(changes.explain?.grid) };
      return {
        ...before,
        explain: { ...before.explain, ...given(changes.explain), grid },
        overlay: { ...before.overlay, ...given(changes.overlay) },
      };
    });
    if (names.length > 0) this.parts.log.info(`configuration changed until the next start: ${names.join(", ")}`);
  }

  /** The same for a configuration that was read anew: what differs from the one before. What a request has changed stays. */
  async reload(before: FileSettings, after: FileSettings): Promise<void> {
    await this.#set((running) => ({
      explain: rebased(running.explain, before.explain, after.explain),
      overlay: rebased(running.overlay, before.overlay, after.overlay),
      warnings: rebased(running.warnings, before.warnings, after.warnings),
    }));
  }

  /** Resolves to the names of what is otherwise than before. */
  #set(next: (before: ChangeableSettings) => FileSettings): Promise<string[]> {
    return this.#changes.run(async () => {
      const { createExplainer, retire } = this.parts;
      if (this.#closing) {
        throw new VideoExplainerError("stopping", "the station is stopping: nothing can be changed; ask the next one");
      }
      const before = this.current;
      const wanted = next(before);
      const { shape } = configSchema;
      const explain = checked(shape.explain, wanted.explain, "explain");
      const overlay = checked(shape.overlay, wanted.overlay, "overlay");
      refuseFaults(explainFaults(explain));
      refuseFaults(unknownLabels({ explain, sinks: [] }, before.explainer.model.labels));
      const changed = differences(before.explain, explain);
      const isNew =
        changed.some((key) => key !== "every" && key !== "when") ||
        (needsClassifier(explain) && !before.explainer.hasClassifier);
      const explainer = isNew ? await createExplainer(explain) : before.explainer;
      if (explainer.model.sha256 !== before.explainer.model.sha256) {
        await retire(explainer);
        throw new InputError("model-changed", "the model file has changed since the start; restart the worker");
      }
      this.#current.next({ explainer, explain, overlay, warnings: wanted.warnings });
      if (isNew) await orUntil(timer(RETIRE_MS), retire(before.explainer));
      return [
        ...changed.map((key) => `explain.${key}`),
        ...differences(before.overlay, overlay).map((key) => `overlay.${key}`),
      ];
    });
  }

  /** Takes no change from now on; resolves when none is under way any more. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#changes.whenIdle();
  }
}

function refuseFaults(faults: readonly ChoiceFault[]): void {
  if (faults.length > 0) throw new InputError("request", faults.map(({ text }) => text).join("; "));
}

/** Keys without a value are as good as not given. */
const given = (changes: object | undefined): object =>
  Object.fromEntries(Object.entries(changes ?? {}).filter(([, value]) => value !== undefined));

function differences<T extends object>(before: T, after: T): string[] {
  const old = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after).flatMap(([key, value]) =>
    JSON.stringify(value) === JSON.stringify(old.get(key)) ? [] : [key],
  );
}
