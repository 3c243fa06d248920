/** Any backend, with its calls counted and timed. */
import { type Backend, BackendFailure } from '../serving/backend.js';
import type { TimedSeries } from './held-series.js';
import type { Instruments } from './instruments.js';

export function observedBackend(
  backend: Backend,
  predictor: string,
  version: string,
  { backendCalls }: Instruments,
): Backend {
  const byResult = new Map<string, TimedSeries>();
  const observe = (result: string, startedAt: number): void => {
    let series = byResult.get(result);
    if (series === undefined)
      byResult.set(result, (series = backendCalls.labels(predictor, version, result)));
    series.observe((performance.now() - startedAt) / 1000);
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
    close: (atOnce) => backend.close(atOnce),
  };
}
