import { InputError } from "../errors.js";
import type { Subject } from "./made-report.js";
import { type MetricName, metricNamed } from "./metrics/names.js";

/**
 * The metrics that there is what they need for, and a sentence about the others.
 * @throws InputError where none is left, unless maps are wanted all the same
 */
export function applicableMetrics(
  wanted: readonly MetricName[],
  subjects: readonly Pick<Subject, "targets">[],
  wantsMaps: boolean,
): { metrics: MetricName[]; notes: string[] } {
  const single = subjects.filter(({ targets }) => targets.length === 1);
  const several = subjects.filter(({ targets }) => targets.length > 1);
  const kinds = [
    ["image", single.length > 0, "no image has one class alone"],
    ["mask", single.some(({ targets }) => targets[0]!.mask), "no image of one class has a mask; give --masks"],
    [
      "classes",
      several.some(({ targets }) => targets.every(({ mask }) => mask)),
      "no image has several classes with a mask each (NAME.CLASS.png)",
    ],
  ] as const;
  const needsOf = (name: MetricName) => metricNamed(name).needs ?? "image";
  const notes = kinds.flatMap(([needs, has, why]) => {
    const without = has ? [] : wanted.filter((name) => needsOf(name) === needs);
    return without.length > 0 ? [`${without.join(", ")}: left out, as ${why}`] : [];
  });
  const metrics = wanted.filter((name) => kinds.some(([needs, has]) => has && needs === needsOf(name)));
  if (metrics.length === 0 && !wantsMaps)
    throw new InputError("range", `nothing is left to measure; ${notes.join("; ")}`);
  return { metrics, notes };
}
