import fc from "fast-check";
import { expect, test } from "vitest";
import { DROP_REASONS, type DropReason } from "../../src/messages/ledger.js";
import { Ledger } from "../../src/pipeline/ledger.js";

type Step = "captured" | "explained" | "classified" | DropReason;
const steps = fc.array(
  fc.constantFrom<Step>("captured", "captured", "captured", "explained", "classified", ...DROP_REASONS),
);

test("captured = explained + classified + dropped + in flight after every step, and in flight is never negative", () => {
  fc.assert(
    fc.property(steps, (sequence) => {
      const events: string[] = [];
      const ledger = new Ledger("cam", (_source, what, reason) => events.push(reason ?? what));
      let accepted = 0;
      for (const step of sequence) {
        const act = () => {
          if (step === "captured") ledger.captured();
          else if (step === "explained") ledger.explained();
          else if (step === "classified") ledger.classified();
          else ledger.dropped(step);
        };
        if (step !== "captured" && ledger.inFlight === 0) expect(act).toThrow(/none is in flight/);
        else {
          act();
          accepted++;
        }
        const { captured, explained, classified, dropped, inFlight } = ledger.snapshot();
        const lost = Object.values(dropped).reduce((a, b) => a + b, 0);
        expect(captured).toBe(explained + classified + lost + inFlight);
        expect(inFlight).toBeGreaterThanOrEqual(0);
      }
      expect(events).toHaveLength(accepted);
    }),
  );
});

test("a frame that is given out is queued and not in flight until it is back, and only then can anything become of it", () => {
  const act = fc.constantFrom("captured", "explained", "giveOut", "takeBack");
  fc.assert(
    fc.property(fc.array(act), (sequence) => {
      const moves: string[] = [];
      const ledger = new Ledger(
        "cam",
        () => {},
        (what) => moves.push(what),
      );
      let [inFlight, queued] = [0, 0];
      for (const step of sequence) {
        const isPossible = { captured: true, explained: inFlight > 0, giveOut: inFlight > 0, takeBack: queued > 0 };
        if (!isPossible[step]) {
          expect(() => ledger[step]()).toThrow(/none is in flight|none is given out/);
          continue;
        }
        ledger[step]();
        inFlight += { captured: 1, explained: -1, giveOut: -1, takeBack: 1 }[step];
        queued += { captured: 0, explained: 0, giveOut: 1, takeBack: -1 }[step];
        expect(ledger).toMatchObject({ inFlight, queued });
        const { captured, explained } = ledger.snapshot();
        expect(captured).toBe(explained + inFlight + queued);
      }
      expect(ledger.snapshot().queued).toBe(moves.length > 0 ? queued : undefined);
    }),
  );
});

test("only reasons that occurred are listed", () => {
  const ledger = new Ledger("cam");
  ledger.captured();
  ledger.dropped("stale");
  expect(ledger.snapshot()).toEqual({ captured: 1, explained: 0, classified: 0, dropped: { stale: 1 }, inFlight: 0 });
});
