/** A wire between client and server that can be cut, and that can lose answers on their way. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Proxy {
  #server: Server | null = null;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  #losing = false;

  private constructor(private readonly target: string) {}

  static async to(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await proxy.restore();
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Nobody is there: connections are refused, those that stand are reset. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => (server === null ? done(null) : server.close(done)));
  }

  /** The server is there again, under the same address. */
  async restore(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((client) => this.#pipe(client));
    await new Promise<void>((done) => server.listen(this.#port, '127.0.0.1', done));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** From now on requests arrive and answers do not. */
  loseAnswers(): void {
    this.#losing = true;
  }

  /** Resets the connections whose answers were lost; new ones work. */
  reset(): void {
    this.#losing = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  #pipe(client: Socket): void {
    const [host, port] = this.target.split(':');
    const server = connect(Number(port), host);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => this.#losing || client.write(chunk));
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }
}
