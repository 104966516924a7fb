import { Gate } from "../ffmpeg/gate.js";

/** Connections that are being tried, from the look at a stream to its first frame: each has a process that may do nothing but wait. */
const MAX_CONNECTING = 96;
/** Those that failed the last time, at most: where many are dead, the others need not wait for their timeouts. */
const AFTER_FAILURE = 48;

/** Places for connections that are being tried, all sources together. */
export const connecting = new Gate(MAX_CONNECTING, AFTER_FAILURE);

/** A source that waits longer than this for its first frame gives its place to others; its process goes on. */
export const PLACE_MS = 30_000;
