import { firstValueFrom, from, type Observable, race } from "rxjs";

/** Resolves when the work is done, or when it is not waited for any longer; what ends the wait is not kept listening to. */
export const orUntil = (end$: Observable<unknown>, work: Promise<unknown>): Promise<unknown> =>
  firstValueFrom(race(from(work), end$));
