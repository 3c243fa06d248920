/** Simulated users in time lapse: they ask the running service, and react as in the replay, only faster. */
import type { Candidate } from '../../event/prediction.js';
import type { Assay } from './assay.js';
import type { LabelledText } from './corpus.js';
import { type Population, type Reaction, reactionsTo } from './users.js';

/** Seconds of a user that pass in one second here. */
export const TIME_LAPSE = 300;
/** Users who ask at the same moment. */
const AT_ONCE = 12;

export interface Crowd {
  assay: Assay;
  predictor: string;
  population: Population;
  texts: readonly LabelledText[];
  seed: number;
}

interface Answer {
  id: string;
  candidates: Candidate[];
}

export class LiveUsers {
  /** Predictions they have asked for so far. */
  asked = 0;
  private isOver = false;
  private failure: Error | null = null;
  private readonly due = new Set<NodeJS.Timeout>();
  private askers: Promise<void>[] = [];

  constructor(private readonly crowd: Crowd) {}

  start(): void {
    this.askers = Array.from({ length: AT_ONCE }, () => this.keepAsking());
  }

  /** Reactions that are still to come are left out. */
  async stop(): Promise<void> {
    this.isOver = true;
    for (const timer of this.due) clearTimeout(timer);
    await Promise.all(this.askers);
  }

  /** @throws what the service has refused */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  private async keepAsking(): Promise<void> {
    while (!this.isOver) await this.ask().catch((error: Error) => this.fail(error));
  }

  private async ask(): Promise<void> {
    const { assay, predictor, population, texts, seed } = this.crowd;
    const ask = population.ask(this.asked++, Date.now(), texts);
    const { input, subject } = ask;
    const answer = await assay.post<Answer>(`/v1/predictors/${predictor}/predictions`, { input, subject });
    this.reactLater(answer.id, reactionsTo(ask, answer.candidates, seed), 0);
  }

  /** One after the other: whoever takes something back has said it before. */
  private reactLater(
    id: string,
    [reaction, ...rest]: readonly Reaction[],
    sofarMs: number,
    said?: string,
  ): void {
    if (reaction === undefined || this.isOver) return;
    const timer = setTimeout(
      () => {
        this.due.delete(timer);
        this.react(id, reaction, said).then(
          (correction) => this.reactLater(id, rest, reaction.afterMs, correction),
          (error: Error) => this.fail(error),
        );
      },
      Math.max(0, reaction.afterMs - sofarMs) / TIME_LAPSE,
    );
    this.due.add(timer);
  }

  private async react(id: string, reaction: Reaction, said = ''): Promise<string> {
    const path = `/v1/predictions/${id}/corrections`;
    if (reaction.kind === 'correct') {
      return (await this.crowd.assay.post<{ id: string }>(path, reaction.says)).id;
    }
    await this.crowd.assay.delete(`${path}/${said}`);
    return said;
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.isOver = true;
  }
}
