/** A receiver of webhooks: a real server that answers as it is told, and remembers what it took. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { subtle } from 'node:crypto';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into events without types
  event: any;
  /** Milliseconds. */
  at: number;
  /** Whether it was answered with 2xx. */
  isTaken: boolean;
}

/** How a request is answered: a status with headers, by closing the connection, or never. */
export type Reaction = number | [status: number, headers: Record<string, string>] | 'close' | 'silence';

export class Receiver {
  readonly received: Received[] = [];
  /** Asked for every request; what it took is in `received` by then. */
  react: (received: Received) => Reaction = () => 204;
  private readonly server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const received: Received = {
        path: request.url ?? '',
        headers: request.headers,
        text,
        event: JSON.parse(text),
        at: Date.now(),
        isTaken: false,
      };
      this.received.push(received);
      this.answer(received, response);
    });
  });

  async start(port = 0): Promise<this> {
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    return this;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  /** What was sent to a path, in the order in which it came. */
  at(path: string): Received[] {
    return this.received.filter((one) => one.path === path);
  }

  /** What was taken at a path. */
  taken(path: string): Received[] {
    return this.at(path).filter(({ isTaken }) => isTaken);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private answer(received: Received, response: ServerResponse): void {
    const reaction = this.react(received);
    if (reaction === 'silence') return;
    if (reaction === 'close') return void response.socket?.destroy();
    const [status, headers] = typeof reaction === 'number' ? [reaction, {}] : reaction;
    received.isTaken = status >= 200 && status <= 299;
    response.writeHead(status, headers).end();
  }
}

/** Verified as a receiver would, by means of its own. */
export async function isSigned(secret: string, { headers, text }: Received): Promise<boolean> {
  const encoder = new TextEncoder();
  const raw = Uint8Array.from(atob(secret.replace('whsec_', '')), (character) => character.charCodeAt(0));
  const key = await subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  const [version, mac = ''] = String(headers['webhook-signature']).split(',');
  const signature = Uint8Array.from(atob(mac), (character) => character.charCodeAt(0));
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${text}`;
  return version === 'v1' && subtle.verify('HMAC', key, signature, encoder.encode(signed));
}

export const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`;

export function hook(name: string, url: string, more: object = {}): object {
  return { name, url, secret: SECRET, ...more };
}
