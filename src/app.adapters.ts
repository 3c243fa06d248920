/** Which store and which warehouse: what is configured, opened. Without the application, for what needs no more. */
import type { Configuration } from './configuration.js';
import { PROJECTION } from './projection/views.js';
import type { EventStore } from './store/event-store.js';
import { SqliteEventStore } from './store/event-store.sqlite.js';
import type { Warehouse } from './warehouse/warehouse.js';
import { DuckDbWarehouse } from './warehouse/warehouse.duckdb.js';

/** What is opened before the application, and closed after it. */
export interface Adapters {
  store: EventStore;
  warehouse: Warehouse;
}

/**
 * Opens the event store alone, for what needs no more.
 * @throws UnusableStore, StoreUnavailable
 */
export function openStore({ store }: Configuration): Promise<EventStore> {
  if (store.kind === 'sqlite') return SqliteEventStore.open(store.path);
  // Loaded only where it is configured: the vendor's client takes longer to load than all the rest.
  return import('./store/event-store.firestore.js').then(({ FirestoreEventStore }) =>
    FirestoreEventStore.open(store),
  );
}

/**
 * Opens both of what is configured.
 * @throws UnusableStore, UnusableWarehouse, StoreUnavailable, WarehouseUnavailable
 */
export async function openAdapters(configuration: Configuration): Promise<Adapters> {
  const store = await openStore(configuration);
  try {
    return { store, warehouse: await openWarehouse(configuration.warehouse) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The clients of Google are loaded only where they are needed: they take a second. */
async function openWarehouse(where: Configuration['warehouse']): Promise<Warehouse> {
  if (where.kind === 'duckdb') return DuckDbWarehouse.open(where.path, PROJECTION);
  const { BigQueryWarehouse } = await import('./warehouse/warehouse.bigquery.js');
  return new BigQueryWarehouse(where, PROJECTION, where);
}
