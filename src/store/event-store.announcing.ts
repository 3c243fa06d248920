/**
 * Any event store, plus a nudge after appends, so that whoever follows the log need not wait for its next
 * look. The nudge may be lost: followers look by themselves as well.
 */
import type { EventStore } from './event-store.js';

/**
 * @param announce called after events were appended; must not throw and must not wait
 */
export function announcing(store: EventStore, announce: () => void): EventStore {
  let isDue = false;
  // One nudge for all that was appended in one turn of the event loop.
  const appended = (): void => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      announce();
    });
  };
  return {
    location: store.location,
    isExclusive: store.isExclusive,
    settleMs: store.settleMs,
    append: async (...call) => {
      const result = await store.append(...call);
      if (result.kind === 'appended') appended();
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
