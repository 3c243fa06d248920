/** Any backend, with its calls counted and timed. */
import type { Histogram } from 'prom-client';
import { type Backend, BackendFailure } from '../serving/backend.js';
import type { Instruments } from './instruments.js';

type Observer = Histogram.Internal<'predictor' | 'version' | 'result'>;

export function observedBackend(
  backend: Backend,
  predictor: string,
  version: string,
  { backendCalls }: Instruments,
): Backend {
  const observers = new Map<string, Observer>();
  const observe = (result: string, startedAt: number): void => {
    let observer = observers.get(result);
    if (observer === undefined) {
      observer = backendCalls.labels(predictor, version, result);
      observers.set(result, observer);
    }
    observer.observe((performance.now() - startedAt) / 1000);
  };
  return {
    predict: (input, limit, traceparent) => {
      const startedAt = performance.now();
      const answer = backend.predict(input, limit, traceparent);
      // Beside the caller's own wait, not in front of it.
      answer.then(
        () => observe('ok', startedAt),
        (error: unknown) => observe(error instanceof BackendFailure ? error.kind : 'error', startedAt),
      );
      return answer;
    },
    close: () => backend.close(),
  };
}
