import { Gate } from "../ffmpeg/gate.js";

/** Connections that are being tried, from the look at a stream to its first frame: each has a process that may do nothing but wait. */
const MAX_CONNECTING = 96;
/** Those that failed the last time, at most: where many are dead, the others need not wait for their timeouts. */
const AFTER_FAILURE = 48;

/** Places for connections that are being tried, all sources together. */
export const connecting = new Gate(MAX_CONNECTING, AFTER_FAILURE);

/** Whoever waits for a first frame longer than this gives its place to others: its process is one of those that shall run. */
export const PLACE_MS = 30_000;
