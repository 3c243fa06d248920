/** The Firestore that the tests run against: Google's emulator, or the small server of our own. */
import { FirestoreEventStore } from '#assay/store/event-store.firestore.js';
import { emulatorJar, startEmulator, type FirestoreServer } from './emulator.js';
import { readIndexFile } from './index-file.js';
import { startSmallServer } from './small-server.js';

// The vendor's client would look for a metadata server, and wait for it.
process.env.METADATA_SERVER_DETECTION ??= 'none';

export interface ChosenServer {
  /** For people: which server it is. */
  name: string;
  start(): Promise<FirestoreServer>;
}

/**
 * The server at FIRESTORE_EMULATOR_HOST where that is set, else Google's emulator where it is installed, else the
 * small server. FIRESTORE_TEST_SERVER=small takes the small one in any case.
 */
export function chosenServer(): ChosenServer {
  const small = smallServer();
  if (process.env.FIRESTORE_TEST_SERVER === 'small') return small;
  const host = process.env.FIRESTORE_EMULATOR_HOST;
  if (host) {
    const stop = async (): Promise<void> => undefined;
    return { name: `the server at ${host}`, start: async () => ({ host, stop }) };
  }
  const jar = emulatorJar();
  return jar === null ? small : { name: 'Google’s emulator', start: () => startEmulator(jar) };
}

/**
 * For tests that are about the service and not about Firestore: it starts at once, and refuses a query that has no
 * index, which the emulator does not.
 */
export function smallServer(): ChosenServer {
  return {
    name: 'the small server of this repository',
    start: () => startSmallServer(readIndexFile()),
  };
}

/** How far behind the server's clock the tests read, milliseconds: a busy machine commits late. */
export const HORIZON_MS = 400;

/** A busy machine takes long over large commits. */
const CALL_MS = 20_000;

let projects = 0;

/** A name that no other test uses on a server that may have served others before. */
export function freshProject(): string {
  projects += 1;
  return `assay-${process.pid}-${Date.now().toString(36)}-${projects}`;
}

export function openStore(
  emulator: string,
  project: string,
  options: { horizonMs?: number; callMs?: number } = {},
): Promise<FirestoreEventStore> {
  return FirestoreEventStore.open({ project, emulator, horizonMs: HORIZON_MS, callMs: CALL_MS, ...options });
}
