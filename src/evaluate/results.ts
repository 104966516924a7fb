import type { VideoExplainerError } from "../errors.js";
import { METRIC_NAMES, type MetricName } from "./metrics/names.js";
import type { ReportedMethod } from "./report.js";
import { estimate, pairedDifference } from "./statistics.js";
import type { Answers, Measured } from "./worker-messages.js";

/** What comes together of a method. */
export interface MethodResult {
  name: string;
  /** By case, NaN where it was not measured; of the metrics that are asked for. */
  values: Partial<Record<MetricName, Float64Array>>;
  curves: Partial<Record<MetricName, { sum: number[]; count: number }>>;
  stages: number[][];
  time: Answers["time"];
  /** Why it is left out. */
  fault?: VideoExplainerError;
  add(place: number, measured: Measured): void;
}

const entries = <V>(record: Partial<Record<MetricName, V>>): [MetricName, V][] =>
  METRIC_NAMES.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]]));

export function emptyResult(name: string, metrics: readonly MetricName[], cases: number): MethodResult {
  const values: MethodResult["values"] = {};
  for (const metric of metrics) values[metric] = new Float64Array(cases).fill(Number.NaN);
  const curves: MethodResult["curves"] = {};
  return {
    ...{ name, values, curves, stages: [], time: undefined },
    add(place, measured) {
      for (const [metric, value] of entries(measured.values)) values[metric]![place] = value;
      for (const [metric, curve] of entries(measured.curves)) {
        const known = curves[metric];
        if (known) {
          curve.forEach((v, k) => {
            known.sum[k]! += v;
          });
          known.count++;
        } else curves[metric] = { sum: [...curve], count: 1 };
      }
    },
  };
}

/** Its estimates, and its differences from another on the same cases. */
export function reported(result: MethodResult, first: MethodResult): ReportedMethod {
  const method: ReportedMethod = {
    name: result.name,
    cost: result.time
      ? {
          timesForward: result.time.explainMs / result.time.forwardMs,
          ms: result.time.explainMs,
          forwardMs: result.time.forwardMs,
        }
      : null,
    randomByStage: result.stages.map(estimate),
    ...{ metrics: {}, curves: {}, values: {}, difference: {} },
  };
  for (const [name, all] of entries(result.values)) {
    const values = [...all];
    method.values[name] = values;
    method.metrics[name] = estimate(values);
    if (result !== first) method.difference[name] = pairedDifference(values, [...first.values[name]!]);
  }
  // Adding in the order in which threads finish moves the last digits: they are cut off.
  for (const [name, { sum, count }] of entries(result.curves))
    method.curves[name] = sum.map((v) => Number((v / count).toFixed(6)));
  return method;
}
