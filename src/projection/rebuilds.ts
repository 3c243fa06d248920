/** The rebuilds of this process: one at a time, each known by its id until the process ends. */
import { v7 as uuidv7 } from 'uuid';
import { Problem } from '../problem.js';
import type { EventStore } from '../store/event-store.js';
import type { Warehouse } from '../warehouse/warehouse.js';
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
  private last: { at: string; tookMs: number; counts: Record<string, number> } | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly warehouse: Warehouse,
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
  get(id: string): RebuildState {
    const state = this.states.get(id);
    if (state !== undefined) return state;
    throw new Problem('unknown-rebuild', `There is no rebuild "${id}" since this service started.`);
  }

  latest(): { at: string; tookMs: number; counts: Record<string, number> } | null {
    return this.last;
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await this.done;
  }

  private async run(state: RebuildState): Promise<void> {
    try {
      const result = await this.work({
        store: this.store,
        warehouse: this.warehouse,
        fromStore: state.fromStore,
        onProgress: (progress) => (state.progress = progress),
      });
      state.result = result;
      state.status = 'done';
      this.last = { at: new Date().toISOString(), tookMs: result.tookMs, counts: result.counts };
    } catch (error) {
      state.status = 'failed';
      state.error = error instanceof Error ? error.message : String(error);
    }
  }

  private remember(state: RebuildState): void {
    this.states.set(state.id, state);
    for (const id of this.states.keys()) {
      if (this.states.size <= REMEMBERED) break;
      this.states.delete(id);
    }
  }
}
