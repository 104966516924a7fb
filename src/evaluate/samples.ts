import { spread } from "./images.js";
import type { Subject } from "./made-report.js";
import type { ReportedCase, ReportedSample } from "./report.js";

/** Images of a report, and those of several classes. */
const SAMPLES = { single: 6, several: 2 } as const;

/** A class of an image that is drawn for the eye. */
export interface DrawnSample {
  subject: Subject;
  /** Its place among those of the image. */
  target: number;
  sample: ReportedSample;
}

/** A few images for the eye, those with masks first; each class of an image of several is one. */
export function chosenSamples(
  subjects: readonly Subject[],
  cases: readonly ReportedCase[],
  methods: number,
  seed: number,
): DrawnSample[] {
  const single = subjects.filter(({ targets }) => targets.length === 1);
  const masked = single.filter(({ targets }) => targets[0]!.mask !== undefined);
  const several = subjects.filter(({ targets }) => targets.length > 1);
  const chosen = [
    ...spread(masked.length > 0 ? masked : single, SAMPLES.single, seed),
    ...spread(several, SAMPLES.several, seed),
  ];
  return chosen.flatMap((subject) =>
    subject.targets.map((_, target) => {
      const { image, label, decision } = cases[subject.firstCase + target]!;
      const maps = new Array<Uint8Array | undefined>(methods).fill(undefined);
      return { subject, target, sample: { image, label, decision, original: new Uint8Array(), maps } };
    }),
  );
}
