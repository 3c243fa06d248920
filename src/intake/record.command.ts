/**
 * Record what happened elsewhere: CloudEvents become events of the log, one stream at a time, in any order of
 * arrival. One bad event never blocks the rest.
 */
import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Caller, eventRefusal, limitsOf, mayTouch } from '../access/caller.js';
import type { NewEvent, StoredEvent } from '../event/envelope.js';
import { predictionOfStream } from '../event/envelope.js';
import { PREDICTION_FAILED, PREDICTION_RECORDED } from '../event/prediction.js';
import { EVENT_STORE, type EventStore, NO_STREAM, TooLarge } from '../store/event-store.js';
import { PredictorCatalog } from '../store/predictor-catalog.js';
import { CloudEventReader, type ReadEvent, type RejectedEvent } from './cloud-event.reader.js';
import { refusalInHistory } from './history.js';

export interface RecordAnswer {
  accepted: number;
  duplicates: number;
  rejected: RejectedEvent[];
}

export class RecordCommand extends Command<RecordAnswer> {
  constructor(
    /** Whatever JSON the caller sent, one value an event. */
    readonly events: readonly unknown[],
    readonly caller: Caller,
    /** Place of the first of them in the request. */
    readonly offset = 0,
  ) {
    super();
  }
}

/** Attempts before a writer that always finds another one ahead of it gives up. */
const ATTEMPTS = 10;
/** The store's limit on one append. */
const APPEND_LIMIT = 500;

@CommandHandler(RecordCommand)
export class RecordHandler implements ICommandHandler<RecordCommand> {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    private readonly catalog: PredictorCatalog,
    private readonly reader: CloudEventReader,
  ) {}

  async execute({ events, caller, offset }: RecordCommand): Promise<RecordAnswer> {
    const answer: RecordAnswer = { accepted: 0, duplicates: 0, rejected: [] };
    const streams = this.byStream(events, caller, offset, answer);
    await Promise.all([...streams].map(([stream, read]) => this.recordStream(stream, read, caller, answer)));
    answer.rejected.sort((a, b) => a.index - b.index);
    return answer;
  }

  private byStream(
    events: readonly unknown[],
    caller: Caller,
    offset: number,
    answer: RecordAnswer,
  ): Map<string, ReadEvent[]> {
    const now = Date.now();
    const streams = new Map<string, ReadEvent[]>();
    events.forEach((value, i) => {
      const read = this.reader.read(value, offset + i, now);
      if ('detail' in read) return void answer.rejected.push(read);
      const refusal = eventRefusal(caller, read.event.type, read.event.predictor);
      if (refusal !== null) return reject([read], refusal, answer);
      const known = streams.get(read.stream);
      if (known === undefined) streams.set(read.stream, [read]);
      else known.push(read);
    });
    return streams;
  }

  private async recordStream(
    stream: string,
    read: ReadEvent[],
    caller: Caller,
    answer: RecordAnswer,
  ): Promise<void> {
    for (let start = 0; start < read.length; start += APPEND_LIMIT) {
      const part = read.slice(start, start + APPEND_LIMIT);
      try {
        if (predictionOfStream(stream) === null) await this.recordPredictor(part, answer);
        else await this.recordPrediction(stream, part, caller, answer);
      } catch (error) {
        if (!(error instanceof TooLarge)) throw error;
        reject(part, error.message, answer);
      }
    }
  }

  private async recordPrediction(
    stream: string,
    read: ReadEvent[],
    caller: Caller,
    answer: RecordAnswer,
  ): Promise<void> {
    // Most back-filled events open their stream: only a conflict makes us read, or a key that is limited.
    let history = caller.predictors === null ? [] : await this.store.readStream(stream);
    let revision = history.at(-1)?.revision ?? NO_STREAM;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (isForeign(caller, history, read)) return reject(read, foreignDetail(caller), answer);
      const sorted = sortOut(read, history);
      if (sorted.fresh.length === 0) return count(sorted, answer);
      const result = await this.store.append(stream, revision, sorted.fresh);
      if (result.kind === 'appended') return count(sorted, answer);
      history = await this.store.readStream(stream);
      revision = history.at(-1)?.revision ?? NO_STREAM;
    }
    reject(read, 'the prediction is being changed by others all the time; send it again', answer);
  }

  private async recordPredictor(read: ReadEvent[], answer: RecordAnswer): Promise<void> {
    const predictor = read[0]?.event.predictor ?? '';
    let sorted: Sorted | undefined;
    await this.catalog.append(predictor, (_, history) => {
      sorted = sortOut(read, history);
      return { events: sorted.fresh, isHistory: true };
    });
    if (sorted !== undefined) count(sorted, answer);
  }
}

/**
 * Whether a prediction belongs to a predictor that a limited key is not good for, or to none that is known.
 * What is kept counts before what the request says of it.
 */
function isForeign(caller: Caller, history: readonly StoredEvent[], read: readonly ReadEvent[]): boolean {
  if (caller.predictors === null) return false;
  const isAnswer = ({ type }: NewEvent): boolean =>
    type === PREDICTION_RECORDED || type === PREDICTION_FAILED;
  const answer = history.find(isAnswer) ?? read.map(({ event }) => event).find(isAnswer);
  return answer === undefined || answer.predictor === null || !mayTouch(caller, answer.predictor);
}

/** The same for a prediction of another predictor and for one that does not exist. */
function foreignDetail(caller: Caller): string {
  return `the key is limited to ${limitsOf(caller)}, and none of their predictions has this id`;
}

interface Sorted {
  fresh: NewEvent[];
  duplicates: number;
  rejected: RejectedEvent[];
}

/** Which events of a request are new to a stream, which are there already, which do not fit. */
function sortOut(read: readonly ReadEvent[], stored: readonly StoredEvent[]): Sorted {
  const sorted: Sorted = { fresh: [], duplicates: 0, rejected: [] };
  const history: NewEvent[] = [...stored];
  for (const { event, index } of read) {
    const known = history.find(({ id }) => id === event.id);
    if (known !== undefined) {
      if (known.type === event.type && known.payload === event.payload) sorted.duplicates++;
      else
        sorted.rejected.push({
          index,
          id: event.id,
          detail: 'the id is taken by an event with other content',
        });
      continue;
    }
    const detail = refusalInHistory(event, history);
    if (detail !== null) {
      sorted.rejected.push({ index, id: event.id, detail });
      continue;
    }
    history.push(event);
    sorted.fresh.push(event);
  }
  return sorted;
}

function count(sorted: Sorted, answer: RecordAnswer): void {
  answer.accepted += sorted.fresh.length;
  answer.duplicates += sorted.duplicates;
  answer.rejected.push(...sorted.rejected);
}

function reject(read: readonly ReadEvent[], detail: string, answer: RecordAnswer): void {
  for (const { index, event } of read) answer.rejected.push({ index, id: event.id, detail });
}
