import { expect, it } from "vitest";
import { RateLimitedLog } from "../src/rate-limited-log.js";

it("what happens again and again is said at once, then at most every ten minutes with how often it was, each kind for itself", () => {
  let now = 0;
  const rarely = new RateLimitedLog(() => now);
  const said: string[] = [];
  for (; now < 25 * 60_000; now += 1000) {
    rarely.happened("a", (times) => said.push(`${now / 60_000} min: a ${times}`));
    if (now === 60_000) rarely.happened("b", (times) => said.push(`b ${times}`));
  }
  expect(said).toEqual(["0 min: a 1", "b 1", "10 min: a 600", "20 min: a 600"]);
});
