/** What of a backend's candidates a caller gets. */
import type { Candidate } from '../event/prediction.js';
import type { PredictRequest } from './requests.dto.js';

const DEFAULT_LIMIT = 5;

export function limitOf({ limit }: Pick<PredictRequest, 'limit'>): number {
  return limit ?? DEFAULT_LIMIT;
}

/** The candidates that are confident enough, as many as were asked for. */
export function shownCandidates(
  candidates: Candidate[],
  request: Pick<PredictRequest, 'limit' | 'threshold'>,
): Candidate[] {
  const limit = limitOf(request);
  const threshold = request.threshold ?? 0;
  const wanted =
    threshold > 0 ? candidates.filter(({ confidence }) => (confidence ?? 0) >= threshold) : candidates;
  return wanted.length > limit ? wanted.slice(0, limit) : wanted;
}
