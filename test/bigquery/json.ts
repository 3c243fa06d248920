/** What BigQuery's type JSON takes. */

/** Deepest nesting. */
const DEPTH = 500;

export function isAcceptedJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isAccepted(value, 0);
  } catch {
    return false;
  }
}

function isAccepted(value: unknown, depth: number): boolean {
  if (depth > DEPTH) return false;
  if (typeof value === 'string') return (value as string & { isWellFormed(): boolean }).isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return Object.values(value).every((part) => isAccepted(part, depth + 1));
}
