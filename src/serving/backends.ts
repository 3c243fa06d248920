/** The kinds of backend, and the open ones: one per deployed version. */
import type { BackendSpec } from '../event/predictor.js';
import type { Backend } from './backend.js';
import { constantBackend } from './backend.constant.js';
import { httpBackend } from './backend.http.js';

/** Adding a backend: its file, its line here, and its settings in intake/backends.dto.ts. */
const OPENERS: Record<string, (spec: BackendSpec) => Backend> = {
  http: httpBackend,
  constant: constantBackend,
};

export class Backends {
  private readonly open = new Map<string, { spec: BackendSpec; backend: Backend }>();

  /** @param around what is put around each backend when it is opened */
  constructor(
    private readonly around: (backend: Backend, predictor: string, version: string) => Backend = (backend) =>
      backend,
  ) {}

  /**
   * The backend of a version, or null when it is served elsewhere (`recorded`). It is opened at first use
   * and again when the version is deployed anew with other settings.
   */
  of(predictor: string, version: string, spec: BackendSpec): Backend | null {
    const name = `${predictor}\n${version}`;
    const known = this.open.get(name);
    if (known !== undefined && isSame(known.spec, spec)) {
      known.spec = spec;
      return known.backend;
    }
    const opener = OPENERS[spec.kind];
    if (opener === undefined) return null;
    void known?.backend.close();
    const backend = this.around(opener(spec), predictor, version);
    this.open.set(name, { spec, backend });
    return backend;
  }

  /** At the end of the service: whoever still waits for an answer has been given time before. */
  async close(): Promise<void> {
    await Promise.all([...this.open.values()].map(({ backend }) => backend.close(true)));
    this.open.clear();
  }
}

/** The same object almost always; an equal one after the predictor's events were read again. */
function isSame(a: BackendSpec, b: BackendSpec): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
