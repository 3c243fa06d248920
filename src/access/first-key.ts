/** Where the keys are at the start, and whether the service may listen without any. */
import { Logger } from '@nestjs/common';
import { type Configuration, isLoopback } from '../configuration.js';
import type { EventStore } from '../store/event-store.js';
import { KeyRing } from './key-ring.js';

/** Others than this machine could reach the service, and nothing would ask them who they are. */
export class KeysMissing extends Error {
  override readonly name = 'KeysMissing';
}

/**
 * The keys of a store, read.
 * @throws KeysMissing when the service is to listen beyond loopback, and no key was ever made
 */
export async function openKeyRing(
  { host, appEngine }: Pick<Configuration, 'host' | 'appEngine'>,
  store: EventStore,
): Promise<KeyRing> {
  const logger = new Logger('Access');
  const openWithoutKeys = isLoopback(host) && !appEngine;
  const ring = new KeyRing(store, {
    openWithoutKeys,
    onError: (error) => logger.error(error, 'the API keys could not be read again'),
  });
  await ring.readAgain();
  if (ring.isEmpty && !openWithoutKeys) throw new KeysMissing(keysMissing(host, store.location));
  if (!ring.isEmpty && ring.usable(Date.now()) === 0) {
    logger.warn(
      'every API key was revoked or has expired: nothing is answered but health. Stop the service, and make one with `assay keys create`.',
    );
  }
  return ring;
}

function keysMissing(host: string, location: string): string {
  return [
    `HOST is "${host}", where others reach the service, and there is no API key in ${location}: everybody could change everything.`,
    'Make the first one, with the same ASSAY_STORE; no service needs to run for it:',
    '  assay keys create --name admin --scopes admin',
    'Or listen on loopback only: HOST=127.0.0.1.',
  ].join('\n');
}
