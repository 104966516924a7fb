import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../child-environment.js";
import { workerUrl } from "../worker-url.js";
import { dyingWithParent } from "./processes.js";
import { isNews, type SpawnerAnswer, type SpawnerRequest, type SpawnFault } from "./spawner-messages.js";

type Listener = (answer: SpawnerAnswer) => void;
type WithoutId<T> = T extends { id: number } ? Omit<T, "id"> : never;

/** As the code of a fault: the spawner is gone, and what it started with it. */
export const SPAWNER_GONE = "SPAWNER_GONE";

/** A small process that starts others, and ends with this one. */
class Spawner {
  readonly #child: ChildProcess;
  readonly #jobs = new Map<number, Listener>();
  #next = 0;
  #gone: SpawnFault | undefined;

  /** Throws when the system refuses a process. */
  constructor() {
    const script = fileURLToPath(workerUrl(import.meta.url, "./spawner-process.js"));
    const words = ["--max-semi-space-size=1", "--v8-pool-size=1", script];
    const child = spawn(...dyingWithParent(process.execPath, words), {
      env: childEnvironment(),
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child = child;
    child.on("message", (answer: SpawnerAnswer) => this.#hear(answer));
    child.once("error", ({ code = "unknown", message }: NodeJS.ErrnoException) => this.#end({ code, message }));
    child.once("exit", (code, signal) => this.#end(gone(signal ?? `code ${code}`)));
    // Of no use without its channel; how it ends is told then.
    child.once("disconnect", () => this.kill());
    child.unref();
    child.channel?.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }
  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** Asks for something; answers come until one of `ended`, `output` and `failed`. */
  ask(request: WithoutId<Exclude<SpawnerRequest, { kind: "end" }>>, listener: Listener): number {
    const id = this.#next++;
    if (this.#gone) {
      const fault = this.#gone;
      queueMicrotask(() => listener({ kind: "failed", id, fault }));
      return id;
    }
    if (this.#jobs.size === 0) this.#child.channel?.ref();
    this.#jobs.set(id, listener);
    this.#send({ ...request, id });
    return id;
  }

  end(id: number, graceMs: number): void {
    if (this.#jobs.has(id)) this.#send({ kind: "end", id, graceMs });
  }

  /** Ends it by force, and with it what it started. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Ends it and what it started; resolves when it is gone. */
  async close(): Promise<void> {
    if (this.#gone) return;
    const exit = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.ref();
    this.kill();
    await exit;
  }

  #send(request: SpawnerRequest): void {
    // One that could not be started has no channel; why not is told by `error`, which comes next.
    if (this.#gone || this.#child.pid === undefined) return;
    this.#child.send(request, (error) => {
      if (error) this.kill();
    });
  }

  #hear(answer: SpawnerAnswer): void {
    const listener = this.#jobs.get(answer.id);
    if (!isNews(answer)) {
      this.#jobs.delete(answer.id);
      if (this.#jobs.size === 0) this.#child.channel?.unref();
    }
    listener?.(answer);
  }

  #end(fault: SpawnFault): void {
    if (this.#gone) return;
    this.#gone = fault;
    for (const id of [...this.#jobs.keys()]) this.#hear({ kind: "failed", id, fault });
  }
}

const gone = (why: string): SpawnFault => ({
  code: SPAWNER_GONE,
  message: `the process that starts it has ended (${why}) and is started anew`,
});

let current: Spawner | undefined;

/**
 * The spawner, started when there is none: best before this process is large, since to start one costs the more the more
 * memory it has. Throws when the system refuses.
 */
export function spawner(): Spawner {
  if (!current || current.isGone) current = new Spawner();
  return current;
}

/** Ends the spawner, where there is one, and all that was started through it. Resolves when it is gone. */
export const closeSpawner = async (): Promise<void> => current?.close();

/** Process of the spawner, the parent of what was started through it; undefined while there is none. */
export const spawnerPid = (): number | undefined => (current?.isGone ? undefined : current?.pid);
