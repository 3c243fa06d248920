/** All webhooks of the service. One process at a time delivers; the others know from it how far each is. */
import type { EventStore } from '../store/event-store.js';
import { Delivery, type DeliveryDependencies, type WebhookStatus } from './delivery.js';
import { DeliveryLease } from './delivery-lease.js';
import { Sender } from './sender.js';
import type { Webhook } from './webhook.js';

/** How long an attempt under way may hold up the end of the service, milliseconds. */
const STOP_MS = 1_000;

export class Webhooks {
  private readonly sender = new Sender();
  private readonly lease: DeliveryLease;
  private readonly deliveries: Delivery[];
  /** By the process that delivers. */
  private told: WebhookStatus[] = [];

  /** @param holder a name of this process that no other one has */
  constructor(
    webhooks: readonly Webhook[],
    store: EventStore,
    holder: string,
    observers: Pick<DeliveryDependencies, 'attempted' | 'onProblem'>,
  ) {
    this.lease = new DeliveryLease(
      store,
      holder,
      () => JSON.stringify(this.own()),
      (note) => (this.told = JSON.parse(note) as WebhookStatus[]),
    );
    const dependencies: DeliveryDependencies = {
      ...observers,
      store,
      lease: this.lease,
      send: (...call) => this.sender.send(...call),
    };
    this.deliveries = webhooks.map((webhook) => new Delivery(webhook, dependencies));
  }

  /** Resolves when each has begun: what happens from then on is sent. */
  async start(): Promise<void> {
    await Promise.all(this.deliveries.map((delivery) => delivery.begin()));
    this.nudge();
  }

  /** Something was appended to a predictor's stream. */
  nudge(): void {
    for (const delivery of this.deliveries) void delivery.look();
  }

  /** Sends all that is due, as far as the receivers take it and as the time allows. Never throws. */
  async look(limitMs: number): Promise<void> {
    if (this.deliveries.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
    await Promise.race([Promise.all(this.deliveries.map((delivery) => delivery.look())), limit]);
    clearTimeout(timer);
  }

  /** Whether this process delivers. */
  isOurs(): boolean {
    return this.lease.isHeld();
  }

  /** How far each webhook of this service's configuration is, as known here or told by the process that delivers. */
  statuses(): WebhookStatus[] {
    const own = this.own();
    if (this.isOurs()) return own;
    return own.map((status) => {
      const told = this.told.find(({ name }) => name === status.name);
      return told === undefined ? status : { ...told, origin: status.origin };
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.deliveries.map((delivery) => delivery.stop(STOP_MS)));
    await this.lease.release();
    await this.sender.close();
  }

  private own(): WebhookStatus[] {
    return this.deliveries.map((delivery) => delivery.status());
  }
}
