/**
 * The rebuilds: one at a time, each known by its id. How it began and how it ended is kept in the store beside
 * the receipts, so that every process that shares the store can tell, for as long as receipts are kept.
 */
import { v7 as uuidv7 } from 'uuid';
import { Problem } from '../problem.js';
import type { EventStore } from '../store/event-store.js';
import type { Warehouse } from '../warehouse/warehouse.js';
import type { ProjectionLease } from './projection-lease.js';
import { rebuild, type RebuildProgress, type RebuildResult } from './rebuild.js';

export interface RebuildState {
  id: string;
  status: 'running' | 'done' | 'failed';
  startedAt: string;
  fromStore: boolean;
  progress: RebuildProgress | null;
  result: RebuildResult | null;
  error: string | null;
}

/** Finished rebuilds that are remembered. */
const REMEMBERED = 100;

export class Rebuilds {
  private readonly states = new Map<string, RebuildState>();
  private running: RebuildState | null = null;
  private done: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: EventStore,
    private readonly warehouse: Warehouse,
    private readonly lease: ProjectionLease,
    private readonly work: typeof rebuild = rebuild,
  ) {}

  /** Starts one, or gives the one that runs already: two at once would do the same work twice. */
  start(fromStore: boolean): RebuildState {
    if (this.running !== null) return this.running;
    const state: RebuildState = {
      id: uuidv7(),
      status: 'running',
      startedAt: new Date().toISOString(),
      fromStore,
      progress: null,
      result: null,
      error: null,
    };
    this.remember(state);
    this.running = state;
    this.done = this.run(state).finally(() => (this.running = null));
    return state;
  }

  /** @throws Problem unknown-rebuild */
  async get(id: string): Promise<RebuildState> {
    const state = this.states.get(id);
    if (state !== undefined) return state;
    for (const moment of ['ended', 'begun'] as const) {
      const kept = await this.store.receipt(keyOf(id, moment));
      if (kept !== null) return JSON.parse(kept.body) as RebuildState;
    }
    throw new Problem('unknown-rebuild', `There was no rebuild "${id}" in the last 24 hours.`);
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await this.done;
  }

  private async run(state: RebuildState): Promise<void> {
    try {
      await this.keep(state, 'begun');
      const result = await this.lease.during((unlessLost) =>
        this.work({
          store: this.store,
          warehouse: this.warehouse,
          fromStore: state.fromStore,
          onProgress: (progress) => (state.progress = progress),
          unlessLost,
          onMending: (isMending) => this.lease.tellMending(isMending),
        }),
      );
      state.result = result;
      state.status = 'done';
      const { tookMs, counts } = result;
      this.lease.tell({ lastRebuild: { at: new Date().toISOString(), tookMs, counts } });
    } catch (error) {
      state.status = 'failed';
      state.error = error instanceof Error ? error.message : String(error);
    }
    // This process still knows it when the store does not.
    await this.keep(state, 'ended').catch(() => undefined);
  }

  private keep(state: RebuildState, moment: 'begun' | 'ended'): Promise<void> {
    const body = JSON.stringify(state);
    return this.store.keepReceipt({ key: keyOf(state.id, moment), requestHash: '', status: 200, body });
  }

  private remember(state: RebuildState): void {
    this.states.set(state.id, state);
    for (const id of this.states.keys()) {
      if (this.states.size <= REMEMBERED) break;
      this.states.delete(id);
    }
  }
}

function keyOf(id: string, moment: 'begun' | 'ended'): string {
  return `rebuild ${id} ${moment}`;
}
