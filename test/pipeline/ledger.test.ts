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

test("only reasons that occurred are listed", () => {
  const ledger = new Ledger("cam");
  ledger.captured();
  ledger.dropped("stale");
  expect(ledger.snapshot()).toEqual({ captured: 1, explained: 0, classified: 0, dropped: { stale: 1 }, inFlight: 0 });
});
