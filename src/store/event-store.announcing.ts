/**
 * Any event store, plus a nudge after each append, so that whoever follows the log need not wait for its next
 * look. The nudge may be lost: followers look by themselves as well.
 */
import type { EventStore } from './event-store.js';

/**
 * @param announce called after events were appended; must not throw and must not wait
 */
export function announcing(store: EventStore, announce: () => void): EventStore {
  return {
    location: store.location,
    append: async (...call) => {
      const result = await store.append(...call);
      if (result.kind === 'appended') announce();
      return result;
    },
    readStream: (stream) => store.readStream(stream),
    readAll: (after, limit, predictor) => store.readAll(after, limit, predictor),
    predictors: () => store.predictors(),
    head: () => store.head(),
    countAfter: (position) => store.countAfter(position),
    receipt: (key) => store.receipt(key),
    keepReceipt: (receipt) => store.keepReceipt(receipt),
    close: () => store.close(),
  };
}
