/** Holds a document as another client would, inside a transaction, with the vendor's own client. */
import firestore from '@google-cloud/firestore';

/**
 * Reads a document in a transaction of its own, which locks it.
 * @param path below the root, `events/...`
 * @returns lets go of it
 */
export async function lockDocument(
  host: string,
  project: string,
  path: string,
): Promise<() => Promise<void>> {
  const client = new firestore.Firestore({ projectId: project, host, ssl: false });
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let locked: () => void = () => {};
  const isLocked = new Promise<void>((resolve) => (locked = resolve));
  const transaction = client.runTransaction(async (running) => {
    await running.get(client.doc(path));
    locked();
    await held;
  });
  await Promise.race([isLocked, transaction]);
  return async () => {
    release();
    await transaction;
    await client.terminate();
  };
}
