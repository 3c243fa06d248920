/** The event store's contract over Firestore, and what only a store of many machines can meet. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FirestoreServer } from '../firestore/emulator.js';
import { chosenServer, freshProject, openStore } from '../firestore/given.js';
import { eventStoreContract } from './event-store.js';

const chosen = chosenServer();

describe(`on ${chosen.name}`, () => {
  let server: FirestoreServer;

  beforeAll(async () => {
    server = await chosen.start();
  }, 60_000);
  afterAll(() => server.stop());

  eventStoreContract(
    'firestore',
    async () => {
      const project = freshProject();
      let store = await openStore(server.host, project);
      return {
        store,
        reopen: async () => {
          await store.close();
          store = await openStore(server.host, project);
          return store;
        },
        cleanUp: () => store.close(),
      };
    },
    3,
  );
});
