import { redact } from "../redact.js";

/** The result of one check; `reason` says in one sentence why not. */
export interface CheckResult {
  ok: boolean;
  reason?: string;
}

/** Something that must hold before the worker counts as ready, e.g. a NATS round trip. */
export interface ReadinessCheck {
  name: string;
  check(): Promise<CheckResult>;
}

export interface NamedResult extends CheckResult {
  name: string;
}

export interface Readiness {
  ready: boolean;
  checks: NamedResult[];
}

/** All in milliseconds. */
export interface ReadinessLimits {
  /** How long an answer is used again. */
  cacheMs: number;
  /** How long a check may take. */
  timeoutMs: number;
}

const DEFAULTS: ReadinessLimits = { cacheMs: 2000, timeoutMs: 2000 };

function masked(result: CheckResult): CheckResult {
  return result.reason === undefined ? { ok: result.ok } : { ok: result.ok, reason: redact(result.reason) };
}

/** Runs one check at most once at a time, with a limit, and remembers its answer for a while. */
function remembered({ name, check }: ReadinessCheck, limits: ReadinessLimits): () => Promise<NamedResult> {
  let running: Promise<CheckResult> | undefined;
  let last: { at: number; result: CheckResult } | undefined;
  const start = (): Promise<CheckResult> => {
    running ??= Promise.resolve()
      .then(check)
      .then(masked, (error: unknown) =>
        masked({ ok: false, reason: error instanceof Error ? error.message : String(error) }),
      )
      .then((result) => {
        last = { at: performance.now(), result };
        running = undefined;
        return result;
      });
    return running;
  };
  return async () => {
    if (last && performance.now() - last.at < limits.cacheMs) return { name, ...last.result };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<CheckResult>((resolve) => {
      const reason = `no answer within ${limits.timeoutMs / 1000} s`;
      timer = setTimeout(() => resolve({ ok: false, reason }), limits.timeoutMs);
    });
    const result = await Promise.race([start(), late]);
    clearTimeout(timer);
    return { name, ...result };
  };
}

/** One question for all checks, asked side by side. */
export function readinessOf(
  checks: readonly ReadinessCheck[],
  limits: Partial<ReadinessLimits> = {},
): () => Promise<Readiness> {
  const questions = checks.map((check) => remembered(check, { ...DEFAULTS, ...limits }));
  return async () => {
    const results = await Promise.all(questions.map((ask) => ask()));
    return { ready: results.every((result) => result.ok), checks: results };
  };
}
