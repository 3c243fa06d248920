/** A service that asks for keys, with canaries of every verdict. */
import { call, cloudEvent, eventually, type RunningService } from '../given.js';

const HOUR = 3_600_000;
const BUCKET_MS = 300_000;

/** Numbers in [0, 1) that are the same in every run (Park and Miller). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** The first key of a service, which may do everything. */
export async function firstKey({ url }: RunningService): Promise<string> {
  const { status, body } = await call(url, '/v1/keys', { json: { name: 'admin', scopes: ['admin'] } });
  if (status !== 201) throw new Error(`no key was made: ${JSON.stringify(body)}`);
  return body.key;
}

/** A canary v2 of v1 that has half of the traffic, without a prediction yet. */
export function* opening(predictor: string, start: number): Generator<object> {
  const head = { predictor };
  for (const [index, version] of ['v1', 'v2'].entries()) {
    const data = { ...head, version, backend: { kind: 'recorded' } };
    yield cloudEvent('predictor.deployed', `${predictor}-d${index}`, start - HOUR + index, data);
  }
  const canary = { ...head, baseline: 'v1', canary: 'v2' };
  yield cloudEvent('predictor.canary_started', `${predictor}-c`, start - 1, canary);
  const split = { v1: 0.5, v2: 0.5 };
  yield cloudEvent('predictor.traffic_split', `${predictor}-s`, start - 1, { ...head, split });
}

/** The same with enough labels for a verdict: five hours of predictions a day ago, most of them judged within the hour. */
export function* release(predictor: string, rightV1: number, rightV2: number): Generator<object> {
  const random = seeded(7);
  const start = Math.floor(Date.now() / BUCKET_MS) * BUCKET_MS - 30 * HOUR;
  yield* opening(predictor, start);
  for (let i = 0; i < 6000; i++) {
    const time = start + Math.floor((i / 100) * BUCKET_MS);
    const version = random() < 0.5 ? 'v1' : 'v2';
    const isRight = random() < (version === 'v1' ? rightV1 : rightV2);
    const id = `${predictor}-${i}`;
    const candidates = [{ label: isRight ? 'truth' : 'error', confidence: 0.8 }];
    const data = { predictor, version, input: i, candidates, subject: `user-${i}`, latencyMs: 20 };
    yield cloudEvent('prediction.recorded', id, time, data);
    if (random() > (isRight ? 0.3 : 0.6)) continue;
    const at = time + Math.floor(random() * HOUR);
    yield cloudEvent('prediction.corrected', `${id}-c`, at, { predictionId: id, label: 'truth' });
  }
}

/** Sends events as one stream, and waits until they are in the warehouse. */
export async function tell({ url }: RunningService, key: string, events: Iterable<object>): Promise<void> {
  const authorization = `Bearer ${key}`;
  const text = [...events].map((event) => JSON.stringify(event)).join('\n');
  const { body } = await call(url, '/v1/events', {
    text,
    headers: { authorization, 'content-type': 'application/x-ndjson' },
  });
  if (body.rejected?.length !== 0) throw new Error(`not all events were taken: ${JSON.stringify(body)}`);
  await eventually(
    () => call(url, '/v1/status', { headers: { authorization } }),
    (status) => status.body.lag.events === 0,
    60_000,
  );
}
