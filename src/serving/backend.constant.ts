/** Always the same answer: the majority class as a baseline to beat, or a stand-in during maintenance. */
import type { Candidate } from '../event/prediction.js';
import type { BackendSpec } from '../event/predictor.js';
import type { Backend } from './backend.js';

export function constantBackend(spec: BackendSpec): Backend {
  const candidates = spec.candidates as Candidate[];
  return {
    predict: async () => candidates,
    close: async () => {},
  };
}
