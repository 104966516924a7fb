import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type When, whenSchema } from "../../src/config/choice.js";
import { CHOICE_REASONS, type ChoiceReason } from "../../src/messages/summary.js";
import { FrameChooser, isCertain } from "../../src/station/choosing.js";

/** Frames a second: times are fractions that no binary number holds. */
const RATE = 30;
const LABELS = ["good", "crack", "scratch", "dent"];

/** A frame as it is chosen from: its time in frames, its two best classes. */
interface Shot {
  epoch: number;
  at: number;
  index: number;
  probability: number;
  second: number;
  /** It is chosen, and then cannot be explained. */
  fails: boolean;
}

const shot = fc.record({
  reconnects: fc.boolean(),
  gap: fc.integer({ min: 1, max: 40 }),
  index: fc.nat(LABELS.length - 1),
  probability: fc.integer({ min: 50, max: 100 }),
  second: fc.integer({ min: 0, max: 50 }),
  fails: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
const film: fc.Arbitrary<Shot[]> = fc.array(shot, { maxLength: 40 }).map((shots) => {
  let [epoch, at] = [0, 7];
  return shots.map(({ reconnects, gap, probability, second, ...rest }) => {
    if (reconnects && gap > 35) [epoch, at] = [epoch + 1, 7];
    at += gap;
    return { ...rest, epoch, at, probability: probability / 100, second: second / 100 };
  });
});
const limit = fc.integer({ min: 1, max: 100 }).map((n) => n / 100);
const when: fc.Arbitrary<When> = fc.record(
  {
    changed: fc.boolean(),
    below: limit,
    margin: limit,
    labels: fc.subarray(LABELS, { minLength: 1 }),
    everySeconds: fc.integer({ min: 1, max: 90 }).map((n) => n / RATE),
    every: fc.integer({ min: 1, max: 7 }),
  },
  { requiredKeys: [] },
);

function chosenBy(when: When, shots: readonly Shot[]): ChoiceReason[][] {
  const chooser = new FrameChooser();
  return shots.map(({ epoch, at, index, probability, second, fails }, sequence) => {
    const frame = { epoch, sequence, pts: at / RATE };
    const top = [
      { index, label: LABELS[index]!, probability },
      { index: 9, label: "?", probability: second },
    ];
    const why = chooser.choose(when, frame, { top }, chooser.number(frame));
    if (fails && why.length > 0) chooser.failed(frame);
    return why;
  });
}

/** Every frame looked at anew, from the beginning, in whole numbers of frames, hundredths and ticks. */
function twin(when: When, shots: readonly Shot[]): ChoiceReason[][] {
  const all: ChoiceReason[][] = [];
  const percent = (share: number): number => Math.round(share * 100);
  for (const [i, { epoch, at, index, probability, second }] of shots.entries()) {
    const earlier = shots.map((_, j) => j).filter((j) => j < i && all[j]!.length > 0);
    const j = earlier.at(-1);
    const last = j === undefined || shots[j]!.epoch !== epoch || shots[j]!.fails ? undefined : shots[j]!;
    const nth = shots.slice(0, i).filter((other) => other.epoch === epoch).length;
    const why: ChoiceReason[] = [];
    if (when.changed && (last === undefined || last.index !== index)) why.push("changed");
    if (when.below !== undefined && percent(probability) < percent(when.below)) why.push("below");
    if (when.margin !== undefined && percent(probability) - percent(second) < percent(when.margin)) why.push("margin");
    if (when.labels?.some((label) => label === LABELS[index])) why.push("labels");
    if (when.everySeconds !== undefined && (!last || at - last.at >= Math.round(when.everySeconds * RATE)))
      why.push("everySeconds");
    if (when.every !== undefined && nth / when.every === Math.floor(nth / when.every)) why.push("every");
    all.push(why);
  }
  return all;
}

/** Differences of hundredths that are the limit itself, which binary numbers miss either way. */
const onTheEdge = (when: When, shots: readonly Shot[]): boolean =>
  when.margin !== undefined &&
  shots.some(({ probability, second }) => Math.abs(probability - second - when.margin!) < 1e-9);

describe("frames are chosen", () => {
  it("as one by one from the whole film, whatever the reasons, reconnects and failures", () => {
    fc.assert(
      fc.property(when, film, (reasons, shots) => {
        fc.pre(!onTheEdge(reasons, shots));
        expect(chosenBy(reasons, shots)).toEqual(twin(reasons, shots));
      }),
      { numRuns: 500 },
    );
  });

  it("for changed alone exactly where the decision is another than on the frame before", () => {
    fc.assert(
      fc.property(film, (given) => {
        const shots = given.map((one) => ({ ...one, fails: false }));
        const changes = shots.map(({ epoch, index }, i) => {
          const before = shots[i - 1];
          return before?.epoch !== epoch || before.index !== index;
        });
        expect(chosenBy({ changed: true }, shots).map((why) => why.length > 0)).toEqual(changes);
      }),
    );
  });

  it("for every reason that holds, and for none that is not asked for", () => {
    fc.assert(
      fc.property(when, film, (reasons, shots) => {
        for (const why of chosenBy(reasons, shots))
          for (const reason of why) expect(reasons[reason], reason).toBeTruthy();
      }),
    );
  });

  it("each within so many seconds, by the frames' own time", () => {
    fc.assert(
      fc.property(film, fc.integer({ min: 1, max: 90 }), (given, ticks) => {
        const shots = given.map((one) => ({ ...one, fails: false }));
        const chosen = chosenBy({ everySeconds: ticks / RATE }, shots);
        for (const [i, { epoch, at }] of shots.entries()) {
          const last = shots.findLast((one, j) => j <= i && one.epoch === epoch && chosen[j]!.length > 0);
          expect(at - last!.at).toBeLessThan(ticks);
        }
      }),
    );
  });
});

it("a frame is certain to be chosen before it is classified where each Nth is asked for, and for nothing else", () => {
  const certain = (reasons: When) => [0, 1, 2, 3].map((nth) => isCertain(reasons, nth));
  expect(certain({ every: 3 })).toEqual([true, false, false, true]);
  expect(certain({ changed: true, below: 1, margin: 1, labels: LABELS, everySeconds: 1 })).toEqual(
    Array(4).fill(false),
  );
});

it("a class that stands alone leads by all it has", () => {
  const chooser = new FrameChooser();
  const top = [{ index: 0, label: "good", probability: 0.4 }];
  const choose = (margin: number) => chooser.choose({ margin }, { epoch: 0, sequence: 0, pts: 0 }, { top }, 0);
  expect([choose(0.41), choose(0.39)]).toEqual([["margin"], []]);
});

it("the first frame that `every` explains without a choice counts for the choice that comes later", () => {
  const chooser = new FrameChooser();
  const at = (sequence: number) => ({ epoch: 0, sequence, pts: sequence });
  const seen = (index: number) => ({ top: [{ index, label: LABELS[index]!, probability: 1 }] });
  chooser.chosen(at(0), 1);
  expect(chooser.choose({ changed: true }, at(1), seen(1), 1)).toEqual([]);
  expect(chooser.choose({ changed: true }, at(2), seen(0), 2)).toEqual(["changed"]);
});

it("the reasons are the keys of explain.when, in their order", () => {
  expect(Object.keys(whenSchema.shape)).toEqual([...CHOICE_REASONS]);
});
