/**
 * What may enter the log. One string that a JSON reader downstream refuses would stop the projector at that
 * event for good, so text is made well-formed and everything else that does not survive is refused here.
 */
import type { FieldError } from '../problem.js';
import { escapePointer } from '../http/validation.js';

/** Deepest nesting of arrays and objects. */
const DEPTH_LIMIT = 100;

/**
 * Looks for what JSON text cannot carry: numbers beyond a double and nesting deeper than 100.
 * @returns the first error, or null
 */
export function storableError(value: unknown, pointer: string, depth = 0): FieldError | null {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : { pointer, detail: 'is a number beyond the range of a double' };
  }
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= DEPTH_LIMIT) return { pointer: '', detail: `is nested deeper than ${DEPTH_LIMIT}` };
  for (const [key, item] of Object.entries(value)) {
    const error = storableError(item, `${pointer}/${escapePointer(key)}`, depth + 1);
    if (error !== null) return error;
  }
  return null;
}

/**
 * The same value with U+FFFD in the place of lone surrogates and of U+0000, which no database text can hold.
 * Almost always the value itself: only control characters and lone surrogates are escaped as `\u` in JSON text.
 */
export function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return wellFormedText(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  return JSON.stringify(value).includes('\\u') ? (repair(value) as T) : value;
}

function repair(value: unknown): unknown {
  if (typeof value === 'string') return wellFormedText(value);
  if (Array.isArray(value)) return value.map(repair);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [wellFormedText(key), repair(item)]));
}

function wellFormedText(text: string): string {
  return text.isWellFormed() && !text.includes('\0') ? text : text.toWellFormed().replaceAll('\0', '\ufffd');
}
