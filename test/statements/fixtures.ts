/**
 * A log with everything that may be in one: failed, missing and second answers, corrections without a prediction
 * or ahead of it, ties, retractions before and after, text and numbers of every kind, payloads that cannot be
 * read. And the rows of `events` that BigQuery would hold of it, some of them twice.
 */
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import { digest } from '#assay/warehouse/digest.js';
import { DAY, type Happening, happenings, logOf } from '../histories.js';
import type { Row } from '../googlesql/values.js';

const MINUTE = 60_000;

type Data = Record<string, unknown>;

const recorded = (id: string, data: Data, more: Partial<Happening> = {}): Happening => ({
  stream: `prediction-${id}`,
  type: 'assay.prediction.recorded',
  occurredAt: DAY + 1234,
  predictor: 'p',
  data: { predictionId: id, predictor: 'p', version: 'v1', input: 'x', ...data },
  ...more,
});

const corrected = (id: string, data: Data, minutes = 1): Happening => ({
  stream: `prediction-${id}`,
  type: 'assay.prediction.corrected',
  occurredAt: DAY + minutes * MINUTE,
  predictor: 'p',
  data: { predictionId: id, ...data },
});

const told = (what: string, data: Data, hours: number): Happening => ({
  stream: 'predictor-p',
  type: `assay.predictor.${what}`,
  occurredAt: DAY + hours * 60 * MINUTE,
  predictor: 'p',
  data: { predictor: 'p', ...data },
});

const TEXTS = {
  empty: '',
  long: 'ё'.repeat(256),
  quotes: `it's "so" \\ and \`so\``,
  lines: 'one\n\ttwo\r\n',
  emoji: '👩‍🚀🇨🇭',
  cyrillic: 'Ответ',
  null_: 'a\u0000b',
  composed: 'e\u0301 is not \u00e9',
  json: '{"label":"A"}',
  comment: '-- /* $1 @label ${x}',
};

/** Confidences and latencies as JSON writes numbers; strings of JSON, since JavaScript knows fewer numbers. */
const NUMBERS = {
  one: '1',
  onePoint: '1.0',
  exponent: '1e0',
  small: '1e-7',
  smallest: '5e-324',
  greatest: '1e308',
  digits: '0.12345678901234567890',
  zero: '0',
  minusZero: '-0',
  null_: 'null',
};
const LATENCIES = ['12.5', '0.5', '1.5', '2.5', '1e3', '9007199254740991', '0', '99.49999999999999', 'null'];

/** Payload texts that no reader takes, or only half of them would. */
const UNREADABLE = ['', 'not JSON', '{"version":"v1"', '{"version":}', '[1,'];

function texts(): Happening[] {
  return Object.entries(TEXTS).flatMap(([name, text]) => [
    recorded(`text-${name}`, {
      version: text,
      subject: text,
      candidates: [{ label: 'other', confidence: 0.5 }, { label: text }],
    }),
    corrected(`text-${name}`, { correctionId: text, label: text, actor: text, comment: text }),
  ]);
}

/** Events whose payload is written by hand: text in it stands for itself. */
function numbers(): Happening[] {
  const confident = Object.entries(NUMBERS).map(([name, number]) =>
    recorded(`number-${name}`, { candidates: [{ label: 'A', confidence: `#${number}#` }] }),
  );
  const timed = LATENCIES.map((number, at) =>
    recorded(`latency-${at}`, { latencyMs: `#${number}#`, candidates: [] }),
  );
  return [...confident, ...timed];
}

const ODD: Happening[] = [
  recorded('no-candidates', {}),
  recorded('null-candidates', { candidates: null }),
  recorded('empty-candidates', { candidates: [] }),
  recorded('no-label', { candidates: [{}, { label: null }, { label: 'A', confidence: null }] }),
  corrected('no-label', { correctionId: 'c', label: 'A' }),
  recorded('same-labels', { candidates: ['A', 'B', 'A', 'B'].map((label) => ({ label })) }),
  corrected('same-labels', { correctionId: 'c', label: 'B' }),
  recorded('beyond', { candidates: [{ label: 'A' }] }),
  corrected('beyond', { correctionId: 'c', rank: 7, label: 'A' }),
  recorded('nobody', { subject: null, pinned: true }, { predictor: null }),
  recorded('failed', { error: { kind: 'timeout', message: 'late' } }, { type: 'assay.prediction.failed' }),
  recorded('failed-badly', { error: 'text' }, { type: 'assay.prediction.failed' }),
  corrected('orphan', { correctionId: 'c', label: 'A' }),
  corrected('nameless', { label: 'A' }),
  corrected('none', { correctionId: 'c', none: true }),
  recorded('none', { candidates: [{ label: 'A' }] }),
  recorded('old', { candidates: [{ label: 'A' }] }, { occurredAt: Date.UTC(1905, 0, 1, 0, 0, 0, 7) }),
  { ...recorded('unknown', {}), type: 'assay.prediction.pondered' },
  { stream: 'subject-1', type: 'assay.subject.erased', occurredAt: DAY, predictor: null, data: {} },
];

/** Everything about a predictor, twice at the same moment. */
const DEPLOYMENTS: Happening[] = [
  told('deployed', { version: 'v1', backend: { kind: 'recorded' } }, 0),
  told('deployed', { version: 'v2', backend: { kind: 'http', url: 'http://x' } }, 0),
  told('traffic_split', { split: { v1: 0.8, 'v 2': 0.2, 'ü"': 0 } }, 1),
  told('traffic_split', { split: null }, 1),
  told('canary_started', { canary: 'v2', baseline: 'v1', policy: {} }, 2),
  told('canary_judged', { canary: 'v2', baseline: 'v1', verdict: 'rollback', reason: 'worse' }, 3),
  told('rolled_back', { version: 'v1', reason: TEXTS.quotes }, 4),
  told('promoted', { version: 'v2' }, 5),
  told('challenger_started', { challenger: 'v9', baseline: 'v1', policy: {} }, 6),
  told('challenger_stopped', { challenger: 'v9', reason: 'enough' }, 7),
];

function unreadable(): Happening[] {
  return UNREADABLE.flatMap((_, at) => [
    recorded(`unreadable-${at}`, { candidates: [{ label: 'A' }] }),
    corrected(`unreadable-${at}`, { correctionId: 'c', label: 'A' }),
    { ...corrected(`unreadable-${at}`, {}), type: 'assay.prediction.correction_retracted' },
    { ...corrected(`unreadable-${at}`, {}), type: 'assay.prediction.shadowed' },
  ]);
}

/** Histories drawn at random, always the same ones. */
function drawn(): Happening[] {
  return fc
    .sample(happenings(40), { seed: 20260301, numRuns: 4 })
    .flatMap((history, at) => history.map((one) => ({ ...one, stream: `${one.stream}-${at}` })));
}

export function fixtureLog(): StoredEvent[] {
  const log = logOf([...texts(), ...DEPLOYMENTS, ...drawn(), ...numbers(), ...ODD, ...unreadable()], DAY);
  return log.map((event) => {
    const place = /^prediction-unreadable-(\d+)$/.exec(event.stream)?.[1];
    const payload =
      place === undefined ? event.payload.replace(/"#(.*?)#"/g, '$1') : (UNREADABLE[Number(place)] ?? '');
    return { ...event, payload, recordedAt: event.recordedAt + (event.revision % 7) };
  });
}

/** The row of `events` that the BigQuery adapter writes; a payload that BigQuery refuses is NULL. */
export function eventRow(event: StoredEvent, position: number): Row {
  return {
    position,
    stream: event.stream,
    revision: event.revision,
    event_id: event.id,
    type: event.type,
    schema_version: event.schemaVersion,
    occurred_at: event.occurredAt,
    recorded_at: event.recordedAt,
    predictor: event.predictor ?? null,
    causation_id: event.causationId ?? null,
    traceparent: event.traceparent ?? null,
    payload: isJson(event.payload) ? event.payload : null,
    payload_digest: digest(event.payload),
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Every this many events one is sent twice, and one is sent again further on. */
const REPEATED = 11;
const AGAIN = 17;

/**
 * The rows of `events`: in order of the log from position 1, with repeats as the default stream leaves them after
 * a lost answer, and after a projector that died before it wrote down how far it was.
 */
export function eventRows(log: readonly StoredEvent[]): Row[] {
  return log.flatMap((event, at) => {
    const row = eventRow(event, at + 1);
    const again = at % AGAIN === 3 ? [eventRow(event, at + 3)] : [];
    return [row, ...(at % REPEATED === 2 ? [row] : []), ...again];
  });
}

/** Whether none of the rows behind a position repeats one up to it: as at every position that is acknowledged. */
export function isAcknowledged(position: number): boolean {
  return ![1, 2].some((back) => (position - back) % AGAIN === 3);
}
