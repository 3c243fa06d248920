/** Schemas of the answers: they document the API and let Fastify write the hot ones without reflection. */

const text = { type: 'string' } as const;
const time = { type: 'string', format: 'date-time' } as const;
const nullable = (type: 'string' | 'number' | 'integer') => ({ type, nullable: true }) as const;

const candidates = {
  type: 'array',
  items: {
    type: 'object',
    required: ['label'],
    properties: { label: text, confidence: nullable('number') },
  },
} as const;

const outcome = {
  type: 'object',
  nullable: true,
  required: ['status', 'rank', 'label'],
  properties: {
    status: { type: 'string', enum: ['right', 'ranked', 'missed'] },
    rank: nullable('integer'),
    label: nullable('string'),
  },
} as const;

export const PREDICT_ANSWER = {
  type: 'object',
  required: ['id', 'predictor', 'version', 'candidates', 'occurredAt', 'recorded'],
  properties: {
    id: text,
    predictor: text,
    version: text,
    candidates,
    occurredAt: time,
    recorded: { type: 'boolean' },
  },
} as const;

export const CORRECT_ANSWER = {
  type: 'object',
  required: ['id', 'predictionId', 'outcome', 'supersedes'],
  properties: { id: text, predictionId: text, outcome, supersedes: nullable('string') },
} as const;

export const PROBLEM_ANSWER = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  additionalProperties: true,
  properties: {
    type: { type: 'string', description: 'urn:assay:problem:<code>' },
    title: text,
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong and what to do next.' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { pointer: text, detail: text } },
    },
  },
} as const;
