import { expect, it } from "vitest";
import { unknownLabels } from "../../src/config/choice-labels.js";
import { dotted } from "../../src/yaml-locate.js";

const KNOWN = ["ok", "scratch", "dent", "crack", "stain", "hole"];
const said = (parts: Parameters<typeof unknownLabels>[0]) =>
  unknownLabels(parts, KNOWN).map(({ path, text }) => [dotted(path), text]);

it("labels that the model has not are named by their place, with what was probably meant", () => {
  const parts = {
    explain: { when: { labels: ["crack", "Scratches"] } },
    sinks: [{}, { only: { below: 0.5 } }, { only: { labels: ["burr", "dent", "hole "] } }],
  };
  expect(said(parts)).toEqual([
    [
      "explain.when.labels[1]",
      'explain.when.labels[1] "Scratches" is not a label of the model; did you mean "scratch"?',
    ],
    [
      "sinks[2].only.labels[0]",
      'sinks[2].only.labels[0] "burr" is not a label of the model; it has ok, scratch, dent, crack, stain, hole',
    ],
    ["sinks[2].only.labels[2]", 'sinks[2].only.labels[2] "hole " is not a label of the model; did you mean "hole"?'],
  ]);
});

it("a configuration that names none, or only those that there are, has no fault", () => {
  expect(said({ explain: { when: null }, sinks: [{}] })).toEqual([]);
  expect(said({ explain: { when: { labels: KNOWN } }, sinks: [{ only: { labels: KNOWN } }] })).toEqual([]);
});
