import fc from "fast-check";
import { expect, test } from "vitest";
import { CaptureClock, WallClock } from "../../src/pipeline/clock.js";
import { StreamTime } from "../../src/pipeline/stream-time.js";

const SEED = { seed: 20_261 };
/** A delay that the promptest pictures have, too. */
const WINDOW_MS = 20_000;

interface Camera {
  /** Milliseconds between pictures. */
  period: number;
  /** Milliseconds that a picture takes, at most. */
  jitter: number;
  /** Of its clock, in millionths. */
  drift: number;
  /** Steps of its clock, in seconds, by the number of the picture. */
  steps: readonly (readonly [at: number, by: number])[];
  /** Delays that come and stay, in milliseconds. */
  delays: readonly (readonly [at: number, by: number])[];
}

interface Placed {
  capturedAt: number;
  at: number;
  time: number;
  placed: number;
}

/** What the two clocks make of a camera's pictures. */
function film({ period, jitter, drift, steps, delays }: Camera, pictures: number, noise: readonly number[]): Placed[] {
  const times = new StreamTime(true);
  const clock = new CaptureClock(true);
  let set = 1000;
  let delay = 0;
  let lastAt = 0;
  return Array.from({ length: pictures }, (_, i) => {
    for (const [at, by] of steps) if (at === i) set += by;
    for (const [at, by] of delays) if (at === i) delay = by;
    const capturedAt = 50_000 + i * period;
    const at = Math.max(lastAt, capturedAt + delay + noise[i % noise.length]! * jitter);
    lastAt = at;
    const time = times.mend(set + (i * period * (1 + drift / 1e6)) / 1000, at);
    return { capturedAt, at, time, placed: clock.place(time, at) };
  });
}

const noise = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 7, maxLength: 60 });
const seconds = (most: number) => fc.double({ min: -most, max: most, noNaN: true });
const camera: fc.Arbitrary<Camera> = fc.record({
  period: fc.constantFrom(8, 40, 100, 1000, 5000),
  jitter: fc.constantFrom(0, 5, 80, 300),
  drift: fc.integer({ min: -200, max: 200 }),
  steps: fc.array(fc.tuple(fc.nat(300), fc.oneof(seconds(2), seconds(6), seconds(20_000))), { maxLength: 5 }),
  delays: fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 0, max: 2500 })), { maxLength: 3 }),
});

test("whatever a live camera's clock does, times rise and none is of the future", () => {
  fc.assert(
    fc.property(camera, noise, (of, random) => {
      const pictures = film(of, 400, random);
      const rises = (of: "placed" | "time") => pictures.slice(1).every((p, i) => p[of] > pictures[i]![of]);
      // Pictures that come at one instant are kept apart by a thousandth of a millisecond each.
      const early = Math.max(...pictures.map(({ placed, at }) => placed - at));
      expect({ placed: rises("placed"), time: rises("time"), early: early > 1 }).toEqual({
        placed: true,
        time: true,
        early: false,
      });
    }),
    SEED,
  );
});

test("steps, drift and delays that stay are forgotten after 20 s: then a picture is as late as the promptest, by no more than its own delay", () => {
  fc.assert(
    fc.property(camera, noise, (of, random) => {
      const settled = Math.ceil(WINDOW_MS / of.period);
      const last = Math.max(0, ...of.steps.map(([at]) => at), ...of.delays.map(([at]) => at));
      const pictures = film(of, last + settled + 50, random);
      const stays = of.delays.filter(([at]) => at === Math.max(...of.delays.map(([when]) => when))).at(-1)?.[1] ?? 0;
      // What drifts within the window, and the least of the noise that this camera ever shows.
      const drifted = (Math.abs(of.drift) / 1e6) * (WINDOW_MS + of.period) + 0.5;
      const late = pictures.slice(last + settled + 1).map(({ capturedAt, placed }) => placed - capturedAt);
      expect(Math.min(...late)).toBeGreaterThanOrEqual(stays - drifted);
      expect(Math.max(...late)).toBeLessThanOrEqual(stays + of.jitter + drifted);
    }),
    SEED,
  );
});

test.each([-3, -0.5, -100, 3, 100])("a camera whose clock steps by %d s is right again with the next picture", (by) => {
  const pictures = film(
    { period: 100, jitter: 20, drift: 0, steps: [[50, by]], delays: [] },
    200,
    [0, 0.5, 1, 0.2, 0.7],
  );
  expect(Math.max(...pictures.map(({ capturedAt, placed }) => Math.abs(placed - capturedAt)))).toBeLessThan(60);
  for (const [i, { time }] of pictures.slice(1).entries()) {
    expect(time - pictures[i]!.time).toBeLessThan(by > 0 && by < 5 ? by + 0.2 : 0.2);
  }
});

test("a clock that drifts by 100 ppm is as right after three days as in the first minute", () => {
  for (const drift of [-100, 100]) {
    const pictures = film({ period: 10_000, jitter: 0, drift, steps: [], delays: [] }, 3 * 8640, [0]);
    expect(Math.max(...pictures.map(({ capturedAt, placed }) => Math.abs(placed - capturedAt)))).toBeLessThan(5);
  }
});

test("pictures that come late for a while keep the times at which they were captured", () => {
  const pictures = film(
    {
      period: 100,
      jitter: 0,
      drift: 0,
      steps: [],
      delays: [
        [100, 3000],
        [140, 0],
      ],
    },
    200,
    [0],
  );
  for (const { capturedAt, placed } of pictures) expect(placed - capturedAt).toBeCloseTo(0, 1);
});

test("a single picture stamped hours away moves no other", () => {
  for (const hours of [-3, 3]) {
    const steps = [20, 40, 60].flatMap((at) => [[at, hours * 3600] as const, [at + 1, -hours * 3600] as const]);
    const pictures = film({ period: 100, jitter: 0, drift: 0, steps, delays: [] }, 100, [0]);
    for (const { capturedAt, placed, time } of pictures) {
      expect(placed - capturedAt).toBeCloseTo(0, 1);
      expect(time - 1000).toBeCloseTo((capturedAt - 50_000) / 1000, 3);
    }
  }
});

test("pictures without a time come as long after each other as they came", () => {
  const times = new StreamTime(true);
  expect(
    [
      [Number.NaN, 1000],
      [Number.NaN, 1250],
      [0.25, 1300],
    ].map(([time, at]) => times.mend(time!, at!)),
  ).toEqual([0, 0.25, 0.251]);
});

test("a film's clock is the first frame's moment plus its own time, and where its time begins again it goes on", () => {
  const times = new StreamTime(false);
  const clock = new CaptureClock(false);
  const place = (time: number, at: number) => clock.place(times.mend(time, at), at);
  expect([place(2, 10_000), place(2.5, 10_001), place(3, 60_000)]).toEqual([10_000, 10_500, 11_000]);
  expect([place(0, 60_001), place(0.5, 60_002)]).toEqual([11_500, 12_000]);
});

test("the host's clock is followed when it is set, and only then", () => {
  let wall = 1_700_000_000_000;
  let monotonic = 5000;
  const clock = new WallClock(
    () => Math.floor(wall),
    () => monotonic,
  );
  const pass = (ms: number) => {
    wall += ms;
    monotonic += ms;
  };
  const first = clock.at(monotonic);
  expect(first).toBe(1_700_000_000_000);
  for (let i = 0; i < 100; i++) {
    pass(33.37);
    expect(clock.at(monotonic) - first).toBeCloseTo(monotonic - 5000, 2);
  }
  for (const set of [-3_600_000, 7_200_000, -40, 40]) {
    wall += set;
    pass(40);
    expect(Math.abs(clock.at(monotonic) - wall)).toBeLessThan(1.1);
  }
});

test("that the process was held up while it looked at the host's clock is no setting of it", () => {
  // Before and after the look at the host's clock; half a second passes in the second look.
  const readings = [1000, 1000, 1000, 1500];
  const walls = [2_001_000, 2_001_000];
  const clock = new WallClock(
    () => walls.shift()!,
    () => readings.shift()!,
  );
  expect([clock.at(1000), clock.at(1000)]).toEqual([2_001_000, 2_001_000]);
});
