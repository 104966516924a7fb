const LINE = /^frame:\s*\d+\s+pts:\s*(-?\d+|NOPTS)/;

/** Reads the lines of ffmpeg's `metadata=print`, one a picture, whose times count microseconds. */
export class TimeStamps {
  #rest = "";

  /** `onTime` gets seconds; a picture without a time gets NaN. */
  constructor(private readonly onTime: (seconds: number) => void) {}

  add(chunk: Buffer | string): void {
    const lines = (this.#rest + chunk.toString()).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const match = LINE.exec(line);
      if (match) this.onTime(match[1] === "NOPTS" ? Number.NaN : Number(match[1]) / 1e6);
    }
  }
}
