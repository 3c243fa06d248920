/** The events over which the warehouse's contract is checked. */
import { DAY, type Happening, logOf } from '../histories.js';

export const predicted = (id: string, labels: string[], more: object = {}): Happening => ({
  stream: `prediction-${id}`,
  type: 'assay.prediction.recorded',
  occurredAt: DAY,
  predictor: 'naics',
  data: {
    predictionId: id,
    predictor: 'naics',
    version: 'v1',
    input: 'garden furniture',
    candidates: labels.map((label, rank) => ({ label, confidence: 0.8 / (rank + 1) })),
    ...more,
  },
});

const failed = (id: string): Happening => ({
  ...predicted(id, []),
  type: 'assay.prediction.failed',
  data: {
    predictionId: id,
    predictor: 'naics',
    version: 'v1',
    input: '',
    error: { kind: 'timeout', message: 'late' },
  },
});

export const corrected = (id: string, correctionId: string, says: object, minutes = 1): Happening => ({
  stream: `prediction-${id}`,
  type: 'assay.prediction.corrected',
  occurredAt: DAY + minutes * 60_000,
  predictor: 'naics',
  data: { predictionId: id, correctionId, ...says },
});

const retracted = (id: string, correctionId: string): Happening => ({
  ...corrected(id, correctionId, {}),
  type: 'assay.prediction.correction_retracted',
});

/** Three predictions, their corrections, and a deployment. */
export const LOG = logOf([
  predicted('a', ['A', 'B'], { subject: 's1', latencyMs: 12.4 }),
  predicted('b', ['A', 'B'], { pinned: true }),
  failed('c'),
  corrected('a', 'c1', { rank: 1 }, 5),
  corrected('b', 'c2', { label: 'A', actor: 'anna', comment: 'sure' }, 6),
  corrected('b', 'c3', { none: true }, 7),
  retracted('b', 'c3'),
  {
    stream: 'predictor-naics',
    type: 'assay.predictor.deployed',
    occurredAt: DAY,
    predictor: 'naics',
    data: { predictor: 'naics', version: 'v1', backend: { kind: 'recorded' } },
  },
  {
    stream: 'predictor-naics',
    type: 'assay.predictor.traffic_split',
    occurredAt: DAY,
    predictor: 'naics',
    data: { predictor: 'naics', split: { v1: 1 } },
  },
]);
