import { AsyncSubject, concatMap, map, type Observable, type OperatorFunction, pipe } from "rxjs";

/**
 * Begins `work` on each value at once and emits the last value of each in the order of the values, however long each takes.
 * Keeps nothing of what has been emitted.
 */
export const inOrder = <T, R>(work: (value: T) => Observable<R>): OperatorFunction<T, R> =>
  pipe(
    map((value) => {
      const result$ = new AsyncSubject<R>();
      work(value).subscribe(result$);
      return result$;
    }),
    concatMap((result$) => result$),
  );
