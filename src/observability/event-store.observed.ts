/** Any event store, with its appends counted and timed. */
import type { NewEvent } from '../event/envelope.js';
import { PREDICTION_CORRECTED, PREDICTION_FAILED, PREDICTION_RECORDED } from '../event/prediction.js';
import { PROMOTED, ROLLED_BACK } from '../event/predictor.js';
import type { AppendResult, EventStore } from '../store/event-store.js';
import type { CountedSeries, TimedSeries } from './held-series.js';
import type { Instruments } from './instruments.js';

type Result = AppendResult['kind'] | 'failed';

const RESULTS: readonly Result[] = ['appended', 'failed'];
const TYPES = [PREDICTION_RECORDED, PREDICTION_FAILED, PREDICTION_CORRECTED, PROMOTED, ROLLED_BACK];

/** @param appended told of events that were written; must not throw and must not wait */
export function observedStore(
  store: EventStore,
  { appends, appendedEvents }: Instruments,
  appended: (events: readonly NewEvent[]) => void,
): EventStore {
  // There from the start at 0: the first failure and the first roll-back are a rise, not a beginning.
  const byResult = new Map<Result, TimedSeries>(RESULTS.map((result) => [result, appends.labels(result)]));
  const byType = new Map<string, CountedSeries>(TYPES.map((type) => [type, appendedEvents.labels(type)]));
  const observe = (result: Result, startedAt: number): void => {
    let series = byResult.get(result);
    if (series === undefined) byResult.set(result, (series = appends.labels(result)));
    series.observe((performance.now() - startedAt) / 1000);
  };
  const count = (events: readonly NewEvent[]): void => {
    for (const { type } of events) {
      let series = byType.get(type);
      if (series === undefined) byType.set(type, (series = appendedEvents.labels(type)));
      series.inc();
    }
    appended(events);
  };
  return {
    location: store.location,
    isExclusive: store.isExclusive,
    settleMs: store.settleMs,
    append: (stream, expectedRevision, events, receipt) => {
      const startedAt = performance.now();
      const result = store.append(stream, expectedRevision, events, receipt);
      // Beside the caller's own wait, not in front of it.
      result.then(
        ({ kind }) => {
          observe(kind, startedAt);
          if (kind === 'appended') count(events);
        },
        () => observe('failed', startedAt),
      );
      return result;
    },
    readStream: (stream, after) => store.readStream(stream, after),
    readAll: (after, limit, predictor) => store.readAll(after, limit, predictor),
    predictors: () => store.predictors(),
    head: () => store.head(),
    countAfter: (position, upTo) => store.countAfter(position, upTo),
    receipt: (key) => store.receipt(key),
    keepReceipt: (receipt) => store.keepReceipt(receipt),
    lease: (request) => store.lease(request),
    releaseLease: (name, holder) => store.releaseLease(name, holder),
    skewSeconds: () => store.skewSeconds?.() ?? 0,
    close: () => store.close(),
  };
}
