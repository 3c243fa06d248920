/** Any warehouse, with the projection's steps counted and timed. */
import type { Warehouse } from '../warehouse/warehouse.js';
import type { Instruments } from './instruments.js';

export function observedWarehouse(
  warehouse: Warehouse,
  { projectedEvents, projectionSteps }: Instruments,
): Warehouse {
  const done = projectionSteps.labels('done');
  const failed = projectionSteps.labels('failed');
  return {
    location: warehouse.location,
    dialect: warehouse.dialect,
    head: () => warehouse.head(),
    append: async (events, checkpoint) => {
      // Without a checkpoint it is a rebuild that fills in what was missing.
      if (checkpoint === null) return warehouse.append(events, checkpoint);
      const startedAt = performance.now();
      const seconds = (): number => (performance.now() - startedAt) / 1000;
      try {
        await warehouse.append(events, checkpoint);
      } catch (error) {
        failed.observe(seconds());
        throw error;
      }
      done.observe(seconds());
      projectedEvents.inc(events.length);
    },
    query: (statement, parameters) => warehouse.query(statement, parameters),
    deriveGeneration: () => warehouse.deriveGeneration(),
    swapGeneration: () => warehouse.swapGeneration(),
    discardGeneration: () => warehouse.discardGeneration(),
    eventInventory: () => warehouse.eventInventory(),
    forgetEvents: (hour, upTo) => warehouse.forgetEvents(hour, upTo),
    clear: () => warehouse.clear(),
    close: () => warehouse.close(),
  };
}
