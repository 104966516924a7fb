import type { Metric, MetricName } from "./metrics/names.js";
import type { Estimate } from "./statistics.js";

/** A class of an image that was explained. */
export interface ReportedCase {
  image: string;
  label: string;
  /** Whether the label is the user's; else it is the network's own decision. */
  isGiven: boolean;
  decision: string;
  /** Of the class that is explained. */
  probability: number;
}

export interface ReportedMethod {
  name: string;
  /** Of one frame on one thread, the forward pass included; undefined where it was not measured. */
  cost: { timesForward: number; ms: number; forwardMs: number } | null;
  metrics: Partial<Record<MetricName, Estimate>>;
  /** Rank correlation after each stage of the cascade. */
  randomByStage: Estimate[];
  /** Mean probabilities at the points of each curve. */
  curves: Partial<Record<MetricName, number[]>>;
  /** By case; NaN (in JSON null) where it was not measured. */
  values: Partial<Record<MetricName, number[]>>;
  /** Of this method less the first one, on the same cases. */
  difference: Partial<Record<MetricName, Estimate>>;
}

/** Pictures of the report, JPEG. */
export interface ReportedSample {
  image: string;
  label: string;
  decision: string;
  original: Uint8Array;
  /** By method, in the report's order. */
  maps: (Uint8Array | undefined)[];
}

/** What `evaluate --json` writes, but for the samples. */
export interface EvaluationReport {
  evaluation: "video-explainer";
  time: string;
  program: string;
  engine: string;
  threads: number;
  model: { name: string; sha256: string; inputWidth: number; inputHeight: number };
  images: { count: number; ofSeveralClasses: number; withMask: number; labelled: number; decidedRight: number };
  settings: { seed: number; steps: number; limit: number | null; disturbed: number; randomised: number };
  metrics: (Metric & { name: MetricName })[];
  /** Points of the cascade: layers with random weights, of all that have weights. */
  cascade: number[];
  /** Shares of the pixels at the points of the curves. */
  shares: number[];
  notes: string[];
  cases: ReportedCase[];
  methods: ReportedMethod[];
}

/** The best method of a metric, and those that cannot be told from it: their paired difference is within two standard errors. */
export interface Standing {
  best: string;
  tied: string[];
}
