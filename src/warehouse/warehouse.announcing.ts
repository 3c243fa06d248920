/** Any warehouse, plus a word to somebody who remembers what was read from it. */
import type { StoredEvent } from '../event/envelope.js';
import type { Warehouse } from './warehouse.js';

export interface WarehouseReader {
  /** These have come in, or may have, as an append that failed may have done its work. */
  appended(events: readonly StoredEvent[]): void;
  /** What is in the warehouse is no longer what was there before. */
  replaced(): void;
}

export function announcingWarehouse(warehouse: Warehouse, reader: WarehouseReader): Warehouse {
  const replacing = (work: Promise<void>): Promise<void> => work.finally(() => reader.replaced());
  return {
    location: warehouse.location,
    dialect: warehouse.dialect,
    head: () => warehouse.head(),
    append: (events, checkpoint) =>
      warehouse.append(events, checkpoint).finally(() => reader.appended(events)),
    query: (statement, parameters) => warehouse.query(statement, parameters),
    deriveGeneration: () => warehouse.deriveGeneration(),
    swapGeneration: () => replacing(warehouse.swapGeneration()),
    discardGeneration: () => warehouse.discardGeneration(),
    eventInventory: () => warehouse.eventInventory(),
    forgetEvents: (hour, upTo) => replacing(warehouse.forgetEvents(hour, upTo)),
    clear: () => replacing(warehouse.clear()),
    close: () => warehouse.close(),
  };
}
