import { seeded } from "../support/random.js";

/** What is done to the bed, when (seconds since the start), to which camera, and for how long. */
export interface Fault {
  at: number;
  kind: FaultKind;
  /** Index of a camera; 0 where the fault is not a camera's. */
  camera: number;
  /** Seconds until it is undone. */
  lasts: number;
  /** In [0, 1): whatever else is to be chosen. */
  chance: number;
}

const OF_CAMERAS = ["camera-killed", "black-hole", "frozen", "resized", "damaged", "ended", "ffmpeg-killed"] as const;
const OF_STATION = ["nats-killed", "nats-black-hole", "source-added", "settings", "picture"] as const;
export type FaultKind = (typeof OF_CAMERAS)[number] | (typeof OF_STATION)[number];

/** So long after one fault before the same thing is touched again, in seconds. */
const REST = 8;

/** Faults over so many seconds, the same for the same seed. One thing has one fault at a time. */
export function planFaults(seed: number, seconds: number, cameras: number): Fault[] {
  const random = seeded(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const free = new Map<string, number>();
  const faults: Fault[] = [];
  for (let at = 3; at < seconds; at += 1 + 9 * random()) {
    const ofCamera = random() < 0.65;
    const kind = pick<FaultKind>(ofCamera ? OF_CAMERAS : OF_STATION);
    const camera = ofCamera ? Math.floor(random() * cameras) : 0;
    const lasts = 0.5 + 19.5 * random() ** 2;
    const chance = random();
    const touched = ofCamera ? `camera ${camera}` : kind.startsWith("nats") ? "nats" : kind;
    if ((free.get(touched) ?? 0) > at || at + lasts > seconds) continue;
    free.set(touched, at + lasts + REST);
    faults.push({ at, kind, camera, lasts, chance });
  }
  return faults;
}
