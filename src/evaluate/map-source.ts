import type { NumericTensor, Runner } from "../explain/engines/engine.js";
import { engineNamed } from "../explain/engines/registry.js";
import { type LoadedModel, ofModel, requirePreprocessing } from "../explain/model/load.js";
import type { Network } from "../explain/network/network.js";
import type { Program } from "../explain/program/program.js";
import { gradCamProgram, mapProgram, pathGradientProgram } from "../explain/programs/maps.js";
import { scoresProgram } from "../explain/programs/scores.js";
import { activationsOf } from "../explain/runtime/activations.js";
import { framesPerRun } from "../explain/runtime/batch-runner.js";
import type { EvaluatedMethod } from "./methods.js";
import { uniform } from "./random.js";

/** Pictures of the model's input size, 3 bytes a pixel, one after the other; a class and a seed for each. */
export interface MapRequest {
  frames: Uint8Array;
  targets: readonly number[];
  /** For what is random about a map. */
  seeds: readonly (readonly number[])[];
}

/** A method made ready for one network. */
export interface MapSource {
  maps(request: MapRequest): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** Points of the path of integrated gradients: midpoints. */
const PATH_STEPS = 16;

/** Runs programs of one model. */
export class Programs {
  readonly #most: number;

  constructor(
    readonly model: LoadedModel,
    private readonly engine: string,
  ) {
    this.#most = Math.min(64, framesPerRun("cpu", activationsOf(model.network)));
  }

  get pictures() {
    return requirePreprocessing(this.model);
  }

  /** Bytes of a picture of the model's input size. */
  get frameBytes(): number {
    return 3 * this.pictures.width * this.pictures.height;
  }

  open(program: () => Program): Promise<Runner> {
    return engineNamed(this.engine)(ofModel(this.model, program), { device: "cpu", threads: 1 });
  }

  /** Runs frames in as many runs as memory asks for; one row each of every output, output by output. */
  async run(
    runner: Pick<Runner, "run">,
    outputs: readonly string[],
    frames: Uint8Array,
    others: Record<string, readonly number[]> = {},
  ): Promise<Float32Array[][]> {
    const { width, height } = this.pictures;
    const size = this.frameBytes;
    const count = frames.length / size;
    const rows = outputs.map((): Float32Array[] => []);
    for (let at = 0; at < count; at += this.#most) {
      const n = Math.min(this.#most, count - at);
      const feeds: Record<string, NumericTensor> = {
        frames: { data: frames.subarray(at * size, (at + n) * size), dims: [n, height, width, 3] },
      };
      for (const [name, values] of Object.entries(others))
        feeds[name] = { data: Float32Array.from(values.slice(at, at + n)), dims: [n] };
      const out = await runner.run(feeds);
      for (const [o, name] of outputs.entries()) {
        const data = out[name]!.data as Float32Array;
        const row = data.length / n;
        for (let k = 0; k < n; k++) rows[o]!.push(data.slice(k * row, (k + 1) * row));
      }
    }
    return rows;
  }

  /** The network itself. */
  async scores() {
    const runner = await this.open(() => scoresProgram(this.model.network, this.pictures));
    return {
      runner,
      /** Probabilities of every class of each frame. */
      probabilities: async (frames: Uint8Array): Promise<Float32Array[]> =>
        (await this.run(runner, ["probabilities"], frames))[0]!,
      /** And the class that each is decided to be. */
      decisions: async (frames: Uint8Array): Promise<{ top: number; probabilities: Float32Array }[]> => {
        const [probabilities, top] = await this.run(runner, ["probabilities", "top"], frames);
        return probabilities!.map((each, k) => ({ top: top![k]![0]!, probabilities: each }));
      },
    };
  }

  /** @throws ModelError where the method does not know a way through the network */
  async source({ what }: EvaluatedMethod, network: Network = this.model.network): Promise<MapSource> {
    if ("method" in what) return this.#single(() => mapProgram(network, what, this.pictures));
    switch (what.baseline) {
      case "grad-cam":
        return this.#single(() => gradCamProgram(network, this.pictures));
      case "integrated-gradients":
        return this.#path(network);
      case "random":
        return this.#random();
    }
  }

  async #single(program: () => Program): Promise<MapSource> {
    const runner = await this.open(program);
    return {
      maps: async ({ frames, targets }) => (await this.run(runner, ["map"], frames, { target: targets }))[0]!,
      close: () => runner.close(),
    };
  }

  async #path(network: Network): Promise<MapSource> {
    const runner = await this.open(() => pathGradientProgram(network, this.pictures));
    const size = this.frameBytes;
    const alpha = Array.from({ length: PATH_STEPS }, (_, k) => (k + 0.5) / PATH_STEPS);
    const one = async (frame: Uint8Array, target: number): Promise<Float32Array> => {
      const frames = new Uint8Array(PATH_STEPS * size);
      for (let k = 0; k < PATH_STEPS; k++) frames.set(frame, k * size);
      const targets = alpha.map(() => target);
      const [steps] = (await this.run(runner, ["map"], frames, { target: targets, alpha })) as [Float32Array[]];
      return steps[0]!.map((_, k) => steps.reduce((sum, step) => sum + step[k]!, 0) / PATH_STEPS);
    };
    return {
      async maps({ frames, targets }) {
        const maps: Float32Array[] = [];
        for (const [k, target] of targets.entries())
          maps.push(await one(frames.subarray(k * size, (k + 1) * size), target));
        return maps;
      },
      close: () => runner.close(),
    };
  }

  /** Numbers of `[0, 1)`, whatever the picture: what a method must beat. */
  #random(): MapSource {
    const length = this.frameBytes / 3;
    return {
      maps: async ({ seeds }) =>
        seeds.map((each) => {
          const next = uniform(...each);
          return Float32Array.from({ length }, next);
        }),
      close: async () => {},
    };
  }
}
