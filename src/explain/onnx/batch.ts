/**
 * Stands for the batch size in the shape arithmetic of a model file: a prime that no real dimension has, so that a
 * computed dim that equals it is the batch, and a multiple of it has swallowed the batch.
 */
export const BATCH = 1_000_003;
