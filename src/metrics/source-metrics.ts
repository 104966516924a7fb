import {
  CHOICE_REASONS,
  type ChoiceReason,
  SOURCE_STATES,
  type SourceStateName,
  WARNINGS,
  type Warning,
} from "../messages/summary.js";
import type { Definitions } from "./definitions.js";

/** The metrics of one source. After `forget` its series are gone and calls have no effect. */
export interface SourceMetrics {
  captured(): void;
  explained(): void;
  classified(): void;
  dropped(reason: string, frames?: number): void;
  /** Frames captured and not yet settled. */
  inFlight(frames: number): void;
  /** Frames given out to explain workers and not yet back. */
  queued(frames: number): void;
  state(state: SourceStateName): void;
  restarted(reason: string): void;
  /** Capture time of the latest frame, Unix milliseconds. */
  lastFrame(capturedAt: number): void;
  /** Seconds from a frame's arrival to its publishing. */
  endToEnd(seconds: number): void;
  /** The top class of a frame. */
  prediction(label: string): void;
  /** `explain.when` chose a frame for this reason, perhaps among others. */
  chosen(reason: ChoiceReason): void;
  /** Share of |R| in the most relevant tenth of the pixels, 0..1. */
  concentration(share: number): void;
  /** Whether the decision was that of the source's `truth`. */
  checked(isRight: boolean): void;
  /** Share of |R| within the mask of the source's `truth`, 0..1. */
  insideMask(share: number): void;
  /** A warning about an explained frame. */
  warned(warning: Warning): void;
  forget(): void;
}

interface Bounds {
  label(value: string): string;
  reason(value: string): string;
}

/** Makes the metrics of a source and shows them from zero on, so that rates are right from the first frame. */
export function createSourceMetrics(
  source: string,
  defined: Definitions,
  bounds: Bounds,
  onForget: () => void,
): SourceMetrics {
  let forgotten = false;
  const labels = new Set<string>();
  const dropReasons = new Set<string>();
  const restartReasons = new Set<string>();
  const plain = [defined.captured, defined.explained, defined.classified] as const;

  const showState = (state: SourceStateName): void => {
    for (const known of SOURCE_STATES) defined.state.set({ source, state: known }, known === state ? 1 : 0);
  };
  for (const metric of plain) metric.inc({ source }, 0);
  defined.inFlight.set({ source }, 0);
  defined.endToEnd.zero({ source });
  defined.concentration.zero({ source });
  for (const warning of WARNINGS) defined.warnings.inc({ source, warning }, 0);
  showState("connecting");

  /** Frames still in flight when their source is removed must not bring its series back. */
  const alive =
    <A extends unknown[]>(act: (...args: A) => void) =>
    (...args: A): void => {
      if (!forgotten) act(...args);
    };

  return {
    captured: alive(() => defined.captured.inc({ source })),
    explained: alive(() => defined.explained.inc({ source })),
    classified: alive(() => defined.classified.inc({ source })),
    dropped: alive((given, frames = 1) => {
      const reason = bounds.reason(given);
      dropReasons.add(reason);
      if (Number.isFinite(frames) && frames >= 0) defined.dropped.inc({ source, reason }, frames);
    }),
    inFlight: alive((frames) => defined.inFlight.set({ source }, frames)),
    queued: alive((frames) => defined.queued.set({ source }, frames)),
    state: alive(showState),
    restarted: alive((given) => {
      const reason = bounds.reason(given);
      restartReasons.add(reason);
      defined.restarts.inc({ source, reason });
    }),
    lastFrame: alive((capturedAt) => {
      if (Number.isFinite(capturedAt)) defined.lastFrame.set({ source }, capturedAt / 1000);
    }),
    endToEnd: alive((seconds) => {
      if (Number.isFinite(seconds)) defined.endToEnd.observe({ source }, seconds);
    }),
    prediction: alive((given) => {
      const label = bounds.label(given);
      labels.add(label);
      defined.predictions.inc({ source, label });
    }),
    chosen: alive((reason) => defined.chosen.inc({ source, reason })),
    concentration: alive((share) => {
      if (Number.isFinite(share)) defined.concentration.observe({ source }, share);
    }),
    checked: alive((isRight) => defined.checked.inc({ source, outcome: isRight ? "right" : "wrong" })),
    insideMask: alive((share) => {
      if (Number.isFinite(share)) defined.insideMask.observe({ source }, share);
    }),
    warned: alive((warning) => defined.warnings.inc({ source, warning })),
    forget: alive(() => {
      forgotten = true;
      const { inFlight, queued, lastFrame, endToEnd, concentration, insideMask } = defined;
      for (const metric of [...plain, inFlight, queued, lastFrame, endToEnd, concentration, insideMask])
        metric.remove({ source });
      for (const outcome of ["right", "wrong"]) defined.checked.remove({ source, outcome });
      for (const warning of WARNINGS) defined.warnings.remove({ source, warning });
      for (const state of SOURCE_STATES) defined.state.remove({ source, state });
      for (const reason of dropReasons) defined.dropped.remove({ source, reason });
      for (const reason of restartReasons) defined.restarts.remove({ source, reason });
      for (const reason of CHOICE_REASONS) defined.chosen.remove({ source, reason });
      for (const label of labels) defined.predictions.remove({ source, label });
      onForget();
    }),
  };
}
