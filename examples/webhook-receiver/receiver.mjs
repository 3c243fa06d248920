/**
 * Receives webhooks of Assay: checks the signature, takes each event once, and prints it.
 *
 *   WEBHOOK_SECRET=whsec_... PORT=9000 node receiver.mjs
 */
import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ''), 'base64');
const TOLERANCE_SECONDS = 300;
/** Keep it where a restart does not lose it, with what you do about an event, if you must not do it twice. */
const seen = new Set();

function isOurs(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': given = '' } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(at)) < TOLERANCE_SECONDS)) return false;
  const wanted = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest();
  return given.split(' ').some((one) => {
    const signature = Buffer.from(one.replace(/^v1,/, ''), 'base64');
    return signature.length === wanted.length && timingSafeEqual(signature, wanted);
  });
}

createServer(async (request, response) => {
  // As it came: parsed and written again it would not be what was signed.
  const body = Buffer.concat(await request.toArray());
  if (!isOurs(request.headers, body)) return response.writeHead(401).end();
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    const { type, data } = JSON.parse(body);
    console.log(`${type} ${data.predictor} ${data.verdict ?? ''} ${data.reason ?? ''}`.trim());
    seen.add(id);
  }
  // Only now: what is answered otherwise, or not at all, comes again.
  response.writeHead(204).end();
}).listen(Number(process.env.PORT ?? 9000), '127.0.0.1');
