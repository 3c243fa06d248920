// Appends ten events at a time to the DuckDB file named on the command line, and prints the number of every
// batch that was acknowledged, until it is killed.
import { PROJECTION } from '#assay/projection/views.js';
import { DuckDbWarehouse } from '#assay/warehouse/warehouse.duckdb.js';

const warehouse = await DuckDbWarehouse.open(process.argv[2], PROJECTION);
for (let batch = 1; ; batch++) {
  const events = Array.from({ length: 10 }, (_, index) => ({
    id: `e${batch}-${index}`,
    stream: `prediction-${batch}-${index}`,
    revision: 0,
    type: 'assay.prediction.recorded',
    schemaVersion: 1,
    occurredAt: Date.UTC(2026, 2, 1),
    recordedAt: Date.UTC(2026, 2, 1) + batch,
    predictor: 'p',
    causationId: null,
    traceparent: null,
    position: `${batch}-${index}`,
    payload: JSON.stringify({ predictionId: `${batch}-${index}`, version: 'v1', candidates: [] }),
  }));
  await warehouse.append(events, String(batch));
  process.stdout.write(`${batch}\n`);
}
