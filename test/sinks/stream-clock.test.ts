import { describe, expect, it } from "vitest";
import { createStreamClock } from "../../src/sinks/stream/clock.js";

const timesOf = (pictures: readonly { at: number; epoch?: number }[], isLive = true) => {
  const place = createStreamClock();
  return pictures.map(({ at, epoch = 7 }) => place({ at: 1_700_000_000_000 + at, epoch, isLive }));
};

describe("the times of a stream's pictures", () => {
  it("begin at 0 and keep the distances of the capture, even or not", () => {
    expect(timesOf([{ at: 0 }, { at: 40.4 }, { at: 200 }, { at: 201 }, { at: 5_000 }])).toEqual([
      0, 40, 200, 201, 5_000,
    ]);
  });

  it("rise by a millisecond where a picture comes late or with the time of another", () => {
    expect(timesOf([{ at: 0 }, { at: 1_000 }, { at: 1_000 }, { at: 900 }, { at: 1_040 }])).toEqual([
      0, 1_000, 1_001, 1_002, 1_040,
    ]);
  });

  it("go on where a live source's clock was set, forwards or back", () => {
    const day = 86_400_000;
    expect(timesOf([{ at: 0 }, { at: 40 }, { at: day }, { at: day + 40 }, { at: 80 }, { at: 120 }])).toEqual([
      0, 40, 80, 120, 160, 200,
    ]);
  });

  it("go on where a film begins again, though its time was ahead of the clock's", () => {
    const first = [{ at: 0 }, { at: 1_000 }];
    const second = [
      { at: 300, epoch: 8 },
      { at: 1_300, epoch: 8 },
    ];
    expect(timesOf([...first, ...second], false)).toEqual([0, 1_000, 1_040, 2_040]);
  });

  it("keep a film's long gap, which is its own", () => {
    expect(timesOf([{ at: 0 }, { at: 60_000 }], false)).toEqual([0, 60_000]);
  });
});
