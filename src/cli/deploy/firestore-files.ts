/** Firestore's index file and rules, as `firebase deploy` and this program read them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { error, type Finding, ok, warning } from './finding.js';

export interface FirestoreIndexes {
  indexes: Array<{
    collectionGroup: string;
    queryScope: 'COLLECTION' | 'COLLECTION_GROUP';
    fields: Array<{ fieldPath: string; order: 'ASCENDING' | 'DESCENDING' }>;
  }>;
  fieldOverrides?: Array<{ collectionGroup: string; fieldPath: string; ttl?: boolean; indexes: [] }>;
}

const FOLDERS = ['deploy/firestore', '.'];
const NAME = { type: 'string', minLength: 1 };
const INDEX_FILE = {
  type: 'object',
  additionalProperties: false,
  required: ['indexes'],
  properties: {
    indexes: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['collectionGroup', 'queryScope', 'fields'],
        properties: {
          collectionGroup: NAME,
          queryScope: { enum: ['COLLECTION', 'COLLECTION_GROUP'] },
          fields: {
            type: 'array',
            minItems: 2,
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['fieldPath', 'order'],
              properties: { fieldPath: NAME, order: { enum: ['ASCENDING', 'DESCENDING'] } },
            },
          },
        },
      },
    },
    fieldOverrides: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['collectionGroup', 'fieldPath', 'indexes'],
        properties: {
          collectionGroup: NAME,
          fieldPath: NAME,
          ttl: { type: 'boolean' },
          // This program turns single-field indexes off, and knows of no others.
          indexes: { type: 'array', maxItems: 0 },
        },
      },
    },
  },
};

export function readFirestoreIndexes(root: string): { indexes: FirestoreIndexes | null; found: Finding[] } {
  const path = fileOf(root, 'firestore.indexes.json');
  if (path === null) {
    return { indexes: null, found: [warning('there is no firestore.indexes.json, so no index is made')] };
  }
  try {
    const content = JSON.parse(readFileSync(join(root, path), 'utf8')) as FirestoreIndexes;
    const validate = new Ajv({ allErrors: true }).compile(INDEX_FILE);
    if (!validate(content)) {
      const errors = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
      return { indexes: null, found: errors.map((detail) => error(`${path}: ${detail}`)) };
    }
    const count = `${content.indexes.length} indexes`;
    return { indexes: content, found: [ok(`${path}: ${count}`), rules(root)] };
  } catch (failure) {
    return { indexes: null, found: [error(`${path}: ${(failure as Error).message}`)] };
  }
}

/** The service's own access is by IAM; rules are for browsers and phones, which have no business there. */
function rules(root: string): Finding {
  const path = fileOf(root, 'firestore.rules');
  if (path === null) return warning('there is no firestore.rules');
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\/.*$/gm, '');
  const allows = [...text.matchAll(/\ballow\b([^;]*);/g)].map(([, condition]) => condition?.trim() ?? '');
  if (allows.length === 0 || !text.includes('cloud.firestore')) {
    return error(`${path}: no rule of cloud.firestore was found in it`);
  }
  const open = allows.filter((condition) => !/:\s*if\s+false$/.test(condition));
  return open.length === 0
    ? ok(`${path}: denies everything`)
    : error(`${path}: lets somebody in (allow ${open[0]}); the service needs no rule`);
}

function fileOf(root: string, name: string): string | null {
  return (
    FOLDERS.map((folder) => (folder === '.' ? name : `${folder}/${name}`)).find((path) =>
      existsSync(join(root, path)),
    ) ?? null
  );
}
