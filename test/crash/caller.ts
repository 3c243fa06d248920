/** One caller among many: predicts, corrects, takes back, back-fills, and keeps book of what was acknowledged. */
import { type Answer, call, type CallOptions, cloudEvent } from '../given.js';
import type { CrashingService } from './service.js';

export const SERVED = 'served';
export const ELSEWHERE = 'elsewhere';
/** What the constant backends of the two versions answer, best first. */
export const LABELS = { v1: ['a', 'b', 'c', 'd'], v2: ['d', 'c', 'b', 'a'] } as const;

export interface Outcome {
  status: 'right' | 'ranked' | 'missed';
  rank: number | null;
  label: string | null;
}

/** What a caller knows of one prediction. */
export interface KnownPrediction {
  id: string;
  predictor: string;
  version: string;
  labels: readonly string[];
  /** What was said about it and not taken back, latest last. */
  said: Saying[];
}

export interface Saying {
  /** Id of the correction; null where it is not known. */
  id: string | null;
  /** Null: nothing was said yet. */
  outcome: Outcome | null;
  /** Sent, but not acknowledged: it may stand or not. */
  inDoubt: boolean;
}

/** What may follow: the latest that certainly stands, or anything in doubt above it. */
export function possibleOutcomes({ said }: KnownPrediction): Array<Outcome | null> {
  const certain = said.findLastIndex(({ inDoubt }) => !inDoubt);
  return said.slice(certain).map(({ outcome }) => outcome);
}

/** What was sent under one mark; the mark is stored with the event, so that the log can be searched for it. */
export interface Sent {
  mark: string;
  /** The id that was answered; null while there is no answer, as for a request without a key that broke. */
  id: string | null;
}

export interface Book {
  predictions: KnownPrediction[];
  sent: Sent[];
  /** Answers that nobody should get. */
  surprises: string[];
  counts: { acknowledged: number; interrupted: number; replayed: number };
}

export function emptyBook(): Book {
  return {
    predictions: [],
    sent: [],
    surprises: [],
    counts: { acknowledged: 0, interrupted: 0, replayed: 0 },
  };
}

/** Uniform in [0, 1), the same for the same seed: mulberry32 (Tommy Ettinger, 2017). */
export type Chance = () => number;

export function chanceOf(seed: number): Chance {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NOTHING_SAID: Saying = { id: null, outcome: null, inDoubt: false };

export class Caller {
  private turn = 0;
  private readonly mine: KnownPrediction[] = [];

  constructor(
    private readonly name: string,
    private readonly chance: Chance,
    private readonly service: CrashingService,
    private readonly book: Book,
  ) {}

  /** Does one thing to its end; what can be sent again is sent again until it is acknowledged. */
  async act(): Promise<void> {
    this.turn++;
    const draw = this.chance();
    const prediction = this.mine[Math.floor(this.chance() * this.mine.length)];
    if (draw < 0.08) await this.backfill();
    else if (draw < 0.5 || prediction === undefined) await this.predict();
    else if (draw < 0.9) await this.correct(prediction);
    else await this.retract(prediction);
  }

  private async predict(): Promise<void> {
    const mark = `${this.name}-${this.turn}`;
    const sent = this.note(mark);
    const json = { input: mark, metadata: { mark }, ...(this.chance() < 0.5 ? { subject: this.name } : {}) };
    const answer = await this.send(`/v1/predictors/${SERVED}/predictions`, { json }, this.keyFor(mark));
    if (answer === null) return;
    if (answer.status !== 201) return this.surprise('predict', answer);
    const { id, version } = answer.body as { id: string; version: 'v1' | 'v2' };
    sent.id = id;
    this.remember({ id, predictor: SERVED, version, labels: LABELS[version] });
  }

  private async correct(prediction: KnownPrediction): Promise<void> {
    const mark = `${this.name}-${this.turn}`;
    const sent = this.note(mark);
    const { judgement, outcome } = this.judge(prediction.labels);
    const path = `/v1/predictions/${prediction.id}/corrections`;
    const answer = await this.send(path, { json: { ...judgement, comment: mark } }, this.keyFor(mark));
    if (answer === null) return void prediction.said.push({ id: null, outcome, inDoubt: true });
    if (answer.status !== 201) return this.surprise('correct', answer);
    sent.id = answer.body.id;
    prediction.said.push({ id: answer.body.id, outcome, inDoubt: false });
    if (JSON.stringify(answer.body.outcome) !== JSON.stringify(outcome)) this.surprise('outcome', answer);
  }

  private async retract(prediction: KnownPrediction): Promise<void> {
    const latest = prediction.said.at(-1);
    if (latest === undefined || latest.id === null) return;
    const path = `/v1/predictions/${prediction.id}/corrections/${latest.id}`;
    const answer = await this.again(path, { method: 'DELETE' });
    if (answer.status !== 204) return this.surprise('retract', answer);
    prediction.said.pop();
  }

  /** Predictions made elsewhere, and what was said about them, in any order. */
  private async backfill(): Promise<void> {
    const events: Array<{ id: string }> = [];
    const known: KnownPrediction[] = [];
    for (let i = 0; i < 8; i++) {
      const id = `${this.name}-${this.turn}-${i}`;
      const time = Date.now() - 3_600_000;
      const labels = LABELS.v1;
      const candidates = labels.map((label) => ({ label }));
      const data = { predictor: ELSEWHERE, version: 'v1', input: id, candidates, metadata: { mark: id } };
      const { judgement, outcome } = this.judge(labels);
      const recorded = cloudEvent('prediction.recorded', id, time, data) as { id: string };
      const correction = cloudEvent('prediction.corrected', `${id}-c`, time + 1000, {
        predictionId: id,
        ...judgement,
      }) as { id: string };
      events.push(...(this.chance() < 0.5 ? [recorded, correction] : [correction, recorded]));
      const said = [NOTHING_SAID, { id: correction.id, outcome, inDoubt: false }];
      known.push({ id, predictor: ELSEWHERE, version: 'v1', labels, said });
    }
    const batch = this.chance() < 0.5 ? asBatch(events) : asLines(events);
    const first = await this.again('/v1/events', batch);
    this.expectTaken(first, events.length);
    if (this.chance() < 0.3) {
      const repeated = await this.again('/v1/events', batch);
      this.expectTaken(repeated, events.length);
      if (repeated.body.accepted !== 0) this.surprise('a batch sent again', repeated);
    }
    this.book.sent.push(...events.map(({ id }) => ({ mark: id, id })));
    this.book.predictions.push(...known);
    this.mine.push(...known);
  }

  private expectTaken(answer: Answer, events: number): void {
    const { accepted, duplicates, rejected } = answer.body ?? {};
    const ok = answer.status === 200 && accepted + duplicates === events && rejected.length === 0;
    if (!ok) this.surprise('back-fill', answer);
  }

  private judge(labels: readonly string[]): { judgement: object; outcome: Outcome } {
    const draw = this.chance();
    const rank = Math.floor(this.chance() * labels.length);
    const ranked: Outcome = { status: rank === 0 ? 'right' : 'ranked', rank, label: labels[rank] ?? null };
    if (draw < 0.4) return { judgement: { rank }, outcome: ranked };
    if (draw < 0.7) return { judgement: { label: labels[rank] }, outcome: ranked };
    if (draw < 0.85)
      return { judgement: { label: 'other' }, outcome: { status: 'missed', rank: null, label: 'other' } };
    return { judgement: { none: true }, outcome: { status: 'missed', rank: null, label: null } };
  }

  private keyFor(mark: string): string | null {
    return this.chance() < 0.5 ? `key-${mark}` : null;
  }

  /** With a key until it is acknowledged; without one once, and null when no answer came. */
  private async send(path: string, options: CallOptions, key: string | null): Promise<Answer | null> {
    if (key === null) return this.once(path, options);
    return this.again(path, { ...options, headers: { 'idempotency-key': key } });
  }

  private async again(path: string, options: CallOptions): Promise<Answer> {
    for (;;) {
      const answer = await this.once(path, options);
      if (answer !== null) return answer;
    }
  }

  private async once(path: string, options: CallOptions): Promise<Answer | null> {
    const { url, life } = await this.service.running();
    try {
      const answer = await call(url, path, options);
      if (answer.status === 503 && this.service.mayRefuse) return await this.refused();
      this.book.counts.acknowledged++;
      if (answer.headers.get('idempotency-replayed') === 'true') this.book.counts.replayed++;
      return answer;
    } catch {
      // The connection broke: whether anything was recorded is for the next life to tell.
      this.book.counts.interrupted++;
      await this.service.afterLife(life);
      return null;
    }
  }

  /** Nothing was written, unless an answer was lost behind the service: as with a connection that broke. */
  private async refused(): Promise<null> {
    this.book.counts.interrupted++;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return null;
  }

  private note(mark: string): Sent {
    const sent: Sent = { mark, id: null };
    this.book.sent.push(sent);
    return sent;
  }

  private remember(known: Omit<KnownPrediction, 'said'>): void {
    const prediction: KnownPrediction = { ...known, said: [NOTHING_SAID] };
    this.mine.push(prediction);
    this.book.predictions.push(prediction);
  }

  private surprise(what: string, { status, body }: Answer): void {
    this.book.surprises.push(`${what}: ${status} ${JSON.stringify(body).slice(0, 500)}`);
  }
}

function asBatch(events: readonly object[]): CallOptions {
  return { json: events, headers: { 'content-type': 'application/cloudevents-batch+json' } };
}

function asLines(events: readonly object[]): CallOptions {
  const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  return { text, headers: { 'content-type': 'application/x-ndjson' } };
}
