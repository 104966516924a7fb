/** What a metric needs beside pictures. */
export type Needs = "mask" | "classes";

export interface Metric {
  /** Head of its column. */
  title: string;
  group: "localisation" | "faithfulness" | "sensitivity" | "stability" | "concentration";
  better: "higher" | "lower";
  needs?: Needs;
  /** Of its number. */
  about: string;
}

/** Every metric, in the order of the report. docs/evaluation.md has the formulas. */
export const METRICS = {
  mass: {
    ...{ title: "mass", group: "localisation", better: "higher", needs: "mask" },
    about: "share of the positive relevance within the mask",
  },
  rank: {
    ...{ title: "rank", group: "localisation", better: "higher", needs: "mask" },
    about: "share of the most relevant pixels, as many as the mask has, that lie within it",
  },
  pointing: {
    ...{ title: "pointing", group: "localisation", better: "higher", needs: "mask" },
    about: "share of images whose most relevant pixel lies within the mask",
  },
  "insertion-blur": {
    ...{ title: "insertion (blur)", group: "faithfulness", better: "higher" },
    about: "mean probability as the most relevant pixels come back into the blurred picture",
  },
  "insertion-mean": {
    ...{ title: "insertion (mean)", group: "faithfulness", better: "higher" },
    about: "mean probability as the most relevant pixels come back into a picture of the mean colour",
  },
  "deletion-blur": {
    ...{ title: "deletion (blur)", group: "faithfulness", better: "lower" },
    about: "mean probability as the most relevant pixels are blurred",
  },
  "deletion-mean": {
    ...{ title: "deletion (mean)", group: "faithfulness", better: "lower" },
    about: "mean probability as the most relevant pixels take the mean colour",
  },
  own: {
    ...{ title: "own class", group: "sensitivity", better: "higher", needs: "classes" },
    about: "share of maps, on images of several classes, that prefer the mask of their own class",
  },
  "random-weights": {
    ...{ title: "random weights", group: "sensitivity", better: "lower" },
    about: "rank correlation with the map of the same network with random weights",
  },
  noise: {
    ...{ title: "noise", group: "stability", better: "lower" },
    about: "relative change of the map under Gaussian noise of 8 grey levels",
  },
  jpeg: {
    ...{ title: "jpeg", group: "stability", better: "lower" },
    about: "relative change of the map after JPEG compression of quality 75",
  },
  top: {
    ...{ title: "top percent", group: "concentration", better: "higher" },
    about: "share of |R| in the most relevant hundredth of the pixels",
  },
  sparseness: {
    ...{ title: "sparseness", group: "concentration", better: "higher" },
    about: "Gini index of |R|",
  },
  complexity: {
    ...{ title: "complexity", group: "concentration", better: "lower" },
    about: "entropy of |R| in nats",
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];
export const metricNamed = (name: MetricName): Metric => METRICS[name];
