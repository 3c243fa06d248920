/** Histories of predictions as logs of events: written by hand for the contract, drawn at random for properties. */
import fc from 'fast-check';
import type { StoredEvent } from '#assay/event/envelope.js';
import {
  CORRECTION_RETRACTED,
  PREDICTION_CORRECTED,
  PREDICTION_FAILED,
  PREDICTION_RECORDED,
  PREDICTION_SHADOWED,
} from '#assay/event/prediction.js';

/** A UTC midnight. */
export const DAY = Date.UTC(2026, 2, 1);
const MINUTE = 60_000;

/** An event without its place in the log. */
export interface Happening {
  stream: string;
  type: string;
  occurredAt: number;
  predictor: string | null;
  data: object;
}

/** Gives events their places, in the order in which they are listed. */
export function logOf(happenings: readonly Happening[], recordedFrom = DAY): StoredEvent[] {
  const revisions = new Map<string, number>();
  return happenings.map(({ stream, type, occurredAt, predictor, data }, index) => {
    const revision = revisions.get(stream) ?? 0;
    revisions.set(stream, revision + 1);
    return {
      id: `event-${index}`,
      stream,
      revision,
      type,
      schemaVersion: 1,
      occurredAt,
      recordedAt: recordedFrom + index * 7 * MINUTE,
      predictor,
      causationId: index % 3 === 0 ? null : `cause-${index}`,
      traceparent: null,
      position: String(index + 1),
      payload: JSON.stringify(data),
    };
  });
}

/** `log` in pieces that begin before the one in front of them ended, as after a crash of the projector. */
export function redelivered(log: readonly StoredEvent[], steps: readonly { size: number; back: number }[]) {
  const pieces: StoredEvent[][] = [];
  let end = 0;
  for (let i = 0; end < log.length; i++) {
    const { size, back } = steps[i % steps.length] ?? { size: 1, back: 0 };
    pieces.push(log.slice(Math.max(0, end - back), end + size));
    end += size;
  }
  return pieces;
}

interface Told {
  id: string;
  answer: 'ok' | 'failed' | 'none' | 'twice';
  predictor: string;
  version: string;
  subject: string | undefined;
  pinned: boolean;
  latencyMs: number | undefined;
  predictedAt: number;
  metadata: Record<string, unknown> | undefined;
  labels: string[];
  corrections: { id: string; says: { rank: number } | { label: string } | { none: true }; after: number }[];
  retractions: string[];
  shadows: { version: string; labels: string[] | null }[];
}

// Few values each, so that ties, repeats and coincidences are common.
const LABELS = ['A', 'B', 'C', '', 'Ü', "it's"] as const;
const correctionIds = fc.constantFrom('c1', 'c2', 'c3');
const says = fc.oneof(
  fc.record({ rank: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ label: fc.constantFrom(...LABELS) }),
  fc.constant({ none: true as const }),
);
const after = fc.constantFrom(-90_000, 0, 1, 299_999, 300_000, 20 * MINUTE, 90 * MINUTE, 30 * 60 * MINUTE);

/** Numbers in [0, 1], and all that is none. */
const scoreLike = fc.constantFrom<unknown>(
  ...[0, 1, 0.25, 0.1, 1e-7, true, false, 0.5, 0.75],
  ...[1.0000000000000002, -0.1, 7, null, '0.5', 'true', [0.5], { x: 0.5 }],
);

const told = (id: string): fc.Arbitrary<Told> =>
  fc.record({
    id: fc.constant(id),
    answer: fc.constantFrom(
      'ok' as const,
      'ok' as const,
      'ok' as const,
      'failed' as const,
      'none' as const,
      'twice' as const,
    ),
    predictor: fc.constantFrom('p', 'p', 'p', 'q'),
    version: fc.constantFrom('v1', 'v2', 'v2', 'v3'),
    subject: fc.constantFrom('s1', 's2', 's3', undefined),
    pinned: fc.constantFrom(false, false, false, true),
    latencyMs: fc.constantFrom(undefined, 0, 99.4, 100, 250),
    predictedAt: fc.constantFrom(0, 1, 299_999, 300_000, 450_000, 600_000, 899_000).map((ms) => DAY + ms),
    metadata: fc.option(fc.record({ cost: scoreLike, 'a.b': fc.record({ c: scoreLike }) }), {
      nil: undefined,
    }),
    labels: fc.array(fc.constantFrom(...LABELS), { maxLength: 4 }),
    corrections: fc.array(fc.record({ id: correctionIds, says, after }), { maxLength: 4 }),
    retractions: fc.array(correctionIds, { maxLength: 2 }),
    shadows: fc.array(
      fc.record({
        version: fc.constantFrom('v9', 'v9', 'v8'),
        labels: fc.option(fc.array(fc.constantFrom(...LABELS), { maxLength: 3 })),
      }),
      { maxLength: 2 },
    ),
  });

function happeningsOf(prediction: Told): Happening[] {
  const { id, predictor, version, subject, pinned, latencyMs, predictedAt, metadata } = prediction;
  const stream = `prediction-${id}`;
  const common = {
    predictionId: id,
    predictor,
    version,
    input: 'x',
    ...(subject === undefined ? {} : { subject }),
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(pinned ? { pinned } : {}),
    ...(metadata === undefined ? {} : { metadata }),
  };
  const candidates = prediction.labels.map((label, rank) => ({
    label,
    ...(rank === 1 ? {} : { confidence: 0.5 ** rank }),
  }));
  const ok: Happening = {
    stream, predictor, type: PREDICTION_RECORDED, occurredAt: predictedAt, data: { ...common, candidates },
  }; // prettier-ignore
  const failed: Happening = {
    stream, predictor, type: PREDICTION_FAILED, occurredAt: predictedAt,
    data: { ...common, error: { kind: 'timeout', message: 'late' } },
  }; // prettier-ignore
  const answers = { ok: [ok], failed: [failed], none: [], twice: [ok, failed] }[prediction.answer];
  const corrections = prediction.corrections.map((given): Happening => ({
    stream,
    predictor,
    type: PREDICTION_CORRECTED,
    occurredAt: predictedAt + given.after,
    data: { predictionId: id, correctionId: given.id, ...given.says },
  }));
  const retractions = prediction.retractions.map((correctionId): Happening => ({
    stream,
    predictor,
    type: CORRECTION_RETRACTED,
    occurredAt: predictedAt + MINUTE,
    data: { predictionId: id, correctionId },
  }));
  const shadows = prediction.shadows.map(({ version, labels }): Happening => ({
    stream,
    predictor,
    type: PREDICTION_SHADOWED,
    occurredAt: predictedAt + 20,
    data: {
      predictionId: id,
      predictor,
      version,
      ...(labels === null
        ? { error: { kind: 'timeout', message: 'late' } }
        : { candidates: labels.map((label) => ({ label })), latencyMs: 10 * labels.length + 0.4 }),
    },
  }));
  return [...answers, ...corrections, ...retractions, ...shadows];
}

/** All that happened to up to `predictions` predictions, in any order of arrival. */
export function happenings(predictions: number): fc.Arbitrary<Happening[]> {
  return fc
    .integer({ min: 1, max: predictions })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => told(`id-${index}`))))
    .map((all) => all.flatMap(happeningsOf))
    .chain(anyOrder);
}

/** The same elements in any order. */
export function anyOrder<T>(elements: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...elements], { minLength: elements.length, maxLength: elements.length });
}

/** Sizes of the pieces in which a log is delivered, and how far each reaches back into the one before. */
export const deliveries = fc.array(
  fc.record({ size: fc.integer({ min: 1, max: 12 }), back: fc.integer({ min: 0, max: 5 }) }),
  { minLength: 1, maxLength: 8 },
);

/**
 * A check that is made for a few seconds only: a busy machine tries fewer histories. (fast-check's own limit
 * leaves the check under way running beside the next one.)
 */
export function forSeconds<Values extends unknown[]>(
  seconds: number,
  check: (...values: Values) => Promise<void>,
): (...values: Values) => Promise<void> {
  const until = performance.now() + seconds * 1000;
  return async (...values) => {
    if (performance.now() < until) await check(...values);
  };
}
