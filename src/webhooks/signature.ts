/** The headers by which a receiver knows who sent an event, and which: https://www.standardwebhooks.com. Pure. */
import { createHmac } from 'node:crypto';
import type { StoredEvent } from '../event/envelope.js';

/**
 * The same for every attempt at an event, and for no other event: place in its stream, since ids are unique within
 * a stream only. Without the dot, which separates what is signed.
 */
export function webhookId({ stream, revision }: Pick<StoredEvent, 'stream' | 'revision'>): string {
  return `${stream.replaceAll('.', '~')}:${revision}`;
}

/**
 * @param body exactly as it is sent
 * @param now of this attempt, milliseconds
 */
export function signatureHeaders(
  secret: Buffer,
  id: string,
  body: string,
  now: number,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(now / 1000));
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
}
