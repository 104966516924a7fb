import fc from "fast-check";

/**
 * Property-based tests try the same inputs at each run: a run that fails can be repeated, and no change is held up by a
 * fault that it did not bring. New inputs by hand: `PROPERTY_SEED=7 npx vitest run test/explain/model`.
 */
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) });
