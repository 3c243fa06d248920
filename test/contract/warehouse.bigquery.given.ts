/** A BigQuery warehouse over the local server, whose questions the server is taught. */
import { PROJECTION } from '#assay/projection/views.js';
import { BigQueryWarehouse } from '#assay/warehouse/warehouse.bigquery.js';
import type { BigQueryWarehouseOptions } from '#assay/warehouse/warehouse.bigquery.limits.js';
import type { Parameters, Statement } from '#assay/warehouse/warehouse.js';
import type { BigQueryServer } from '../bigquery/server.js';

process.env.METADATA_SERVER_DETECTION = 'none';

const QUICK = { attempts: 5, firstMs: 1, limitMs: 10 };

/** Waits of milliseconds in the place of seconds. */
export const IMPATIENT: Pick<BigQueryWarehouseOptions, 'limits' | 'rows'> = {
  limits: {
    question: { retry: { ...QUICK, attempts: 3 }, timeMs: 10_000, bytesBilled: 2 ** 30 },
    upkeep: { retry: QUICK, timeMs: 20_000, bytesBilled: 2 ** 34 },
  },
  rows: { retry: QUICK, answerMs: 10_000 },
};

export class TaughtWarehouse extends BigQueryWarehouse {
  constructor(
    private readonly server: BigQueryServer,
    dataset: string,
    options: Partial<BigQueryWarehouseOptions> = {},
  ) {
    super(
      {
        project: server.project,
        dataset,
        location: 'EU',
        endpoint: server.endpoint,
        storageEndpoint: server.storageEndpoint,
      },
      PROJECTION,
      { maxGib: 1, ...IMPATIENT, ...options },
    );
  }

  override query<Row>(statement: Statement, parameters?: Parameters): Promise<Row[]> {
    this.server.teach(statement);
    return super.query(statement, parameters);
  }
}
