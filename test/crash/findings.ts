/** After the crashes: what the service knows, held against what it acknowledged. Every finding is a sentence. */
import { call, projected } from '../given.js';
import { type Book, ELSEWHERE, type KnownPrediction, possibleOutcomes, SERVED } from './caller.js';

const PAGE = 1000;
/** Predictions that are read at a time. */
const READERS = 16;
/** Findings that are told in full. */
const LISTED = 20;

interface ExportedEvent {
  id: string;
  type: string;
  time: string;
  /** The stream. */
  subject: string;
  position: string;
  revision: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- read as a client would
  data: any;
}

/**
 * @param isGapless whether the store counts its positions from 1, without a gap
 * @returns what is wrong; empty when nothing is
 */
export async function findingsOf(
  url: string,
  book: Book,
  isGapless = true,
): Promise<{ events: number; findings: string[] }> {
  const events = await exportAll(url);
  const findings = [
    ...book.surprises.map((surprise) => `unexpected answer: ${surprise}`),
    ...orderFindings(events, isGapless),
    ...markFindings(events, book),
    ...(await readFindings(url, book.predictions)),
    ...(await warehouseFindings(url, events)),
  ];
  const more = findings.length > LISTED ? [`and ${findings.length - LISTED} more`] : [];
  return { events: events.length, findings: [...findings.slice(0, LISTED), ...more] };
}

async function exportAll(url: string): Promise<ExportedEvent[]> {
  const events: ExportedEvent[] = [];
  for (let after: string | null = ''; after !== null;) {
    const cursor: string = after === '' ? '' : `&after=${after}`;
    const { body } = await call(url, `/v1/events?limit=${PAGE}${cursor}`);
    events.push(...body.events);
    after = body.next;
  }
  return events;
}

/** The log has no gap, no id twice, and every stream counts from 0. */
function orderFindings(events: readonly ExportedEvent[], isGapless: boolean): string[] {
  const findings: string[] = [];
  const ids = new Set<string>();
  const revisions = new Map<string, number>();
  events.forEach(({ id, subject, position, revision }, index) => {
    if (ids.has(id)) findings.push(`the event id ${id} is there twice`);
    ids.add(id);
    if (isGapless && position !== String(index + 1))
      findings.push(`event ${id} has position ${position}, not ${index + 1}`);
    const expected = revisions.get(subject) ?? 0;
    if (revision !== expected) findings.push(`${subject} goes on with revision ${revision}, not ${expected}`);
    revisions.set(subject, revision + 1);
  });
  return findings;
}

/** What was acknowledged is there once under the id that was answered; what was not is there at most once. */
function markFindings(events: readonly ExportedEvent[], { sent }: Book): string[] {
  const stored = new Map<string, string[]>();
  for (const { id, type, data } of events) {
    const mark: unknown =
      data.metadata?.mark ?? data.comment ?? (type.endsWith('.corrected') ? id : undefined);
    if (typeof mark !== 'string') continue;
    const known = stored.get(mark);
    if (known === undefined) stored.set(mark, [id]);
    else known.push(id);
  }
  const findings: string[] = [];
  for (const { mark, id } of sent) {
    const ids = stored.get(mark) ?? [];
    stored.delete(mark);
    if (ids.length > 1) findings.push(`${mark} was recorded ${ids.length} times: ${ids.join(', ')}`);
    if (id !== null && !ids.includes(id)) findings.push(`${mark} was acknowledged as ${id} and is not there`);
  }
  for (const mark of stored.keys()) findings.push(`${mark} is there, and nobody sent it`);
  return findings;
}

/** Every acknowledged prediction can be read, with the outcome that follows from what was acknowledged. */
async function readFindings(url: string, predictions: readonly KnownPrediction[]): Promise<string[]> {
  const findings: string[] = [];
  const left = predictions.values();
  const read = async (): Promise<void> => {
    for (const prediction of left) {
      const { id, predictor, version, labels } = prediction;
      const { status, body } = await call(url, `/v1/predictions/${id}`);
      if (status !== 200) {
        findings.push(`prediction ${id} answers ${status}`);
        continue;
      }
      const candidates = body.candidates.map(({ label }: { label: string }) => label).join();
      if (body.predictor !== predictor || body.version !== version || candidates !== labels.join())
        findings.push(`prediction ${id} reads ${JSON.stringify(body)}`);
      const possible = possibleOutcomes(prediction).map((outcome) => JSON.stringify(outcome));
      const outcome = JSON.stringify(body.outcome);
      if (!possible.includes(outcome))
        findings.push(`prediction ${id} has outcome ${outcome}, not ${possible.join(' or ')}`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  return findings;
}

/** The warehouse holds what the store holds, and its totals are a plain count over the export. */
async function warehouseFindings(url: string, events: readonly ExportedEvent[]): Promise<string[]> {
  await projected(url);
  const findings: string[] = [];
  const { body: verification } = await call(url, '/v1/verifications', { method: 'POST' });
  if (verification.equal !== true) findings.push(`verify found ${JSON.stringify(verification)}`);
  if (verification.storeEvents !== events.length)
    findings.push(`verify counts ${verification.storeEvents} events, the export has ${events.length}`);
  const day = 24 * 3_600_000;
  const [from, to] = [Date.now() - day, Date.now() + day].map((time) => new Date(time).toISOString());
  for (const predictor of [SERVED, ELSEWHERE]) {
    const { body } = await call(url, `/v1/predictors/${predictor}/quality?from=${from}&to=${to}`);
    const told = Object.fromEntries(
      body.series.map(({ version, total }: { version: string; total: object }) => [version, countsOf(total)]),
    );
    const expected = count(events, predictor);
    if (JSON.stringify(told) !== JSON.stringify(expected))
      findings.push(`quality of ${predictor}: ${JSON.stringify(told)}, counted ${JSON.stringify(expected)}`);
  }
  return findings;
}

interface Counts {
  predictions: number;
  labelled: number;
  right: number;
  errors: number;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- read as a client would
function countsOf({ predictions, labelled, accuracy, errors }: any): Counts {
  return { predictions, labelled, right: Math.round((accuracy ?? 0) * labelled), errors };
}

function count(events: readonly ExportedEvent[], predictor: string): Record<string, Counts> {
  const streams = new Map<string, ExportedEvent[]>();
  for (const event of events) {
    const stream = streams.get(event.subject);
    if (stream === undefined) streams.set(event.subject, [event]);
    else stream.push(event);
  }
  const counts: Record<string, Counts> = {};
  for (const stream of streams.values()) {
    const answer = stream.find(({ type }) => /prediction\.(recorded|failed)$/.test(type));
    if (answer === undefined || answer.data.predictor !== predictor) continue;
    const version = (counts[answer.data.version] ??= { predictions: 0, labelled: 0, right: 0, errors: 0 });
    version.predictions++;
    if (answer.type.endsWith('failed')) version.errors++;
    const correction = inForce(stream);
    if (correction === undefined) continue;
    version.labelled++;
    const first = answer.data.candidates[0].label;
    if (correction.data.rank === 0 || correction.data.label === first) version.right++;
  }
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The latest correction that was not taken back, by time and then by place. */
function inForce(stream: readonly ExportedEvent[]): ExportedEvent | undefined {
  const gone = new Set(
    stream.filter(({ type }) => type.endsWith('retracted')).map(({ data }) => data.correctionId),
  );
  return stream
    .filter(({ type, data }) => type.endsWith('.corrected') && !gone.has(data.correctionId))
    .sort((a, b) => a.time.localeCompare(b.time) || a.revision - b.revision)
    .at(-1);
}
