/** Reads the text format of Prometheus as a scraper does: strictly, so that a malformed line fails the test. */
import { call } from '../given.js';

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Scrape {
  samples: Sample[];
  /** Name -> type, of every metric that is announced. */
  types: Map<string, string>;
  /** Name -> what it says of itself. */
  help: Map<string, string>;
  /** The one value of a series; undefined when there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined;
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/gy;

export async function scrape(url: string): Promise<Scrape> {
  const { status, headers, body } = await call(url, '/metrics');
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  if (!/^text\/plain; version=0\.0\.4/.test(headers.get('content-type') ?? '')) {
    throw new Error(`/metrics answered as ${headers.get('content-type')}`);
  }
  return parse(String(body));
}

function parse(text: string): Scrape {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  const help = new Map<string, string>();
  const series = new Set<string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const comment = COMMENT.exec(line);
    if (comment !== null) {
      const [, kind, name, said] = comment as unknown as [string, string, string, string];
      (kind === 'HELP' ? help : types).set(name, said);
      continue;
    }
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a line of the format: ${line}`);
    const id = `${name}{${labels}}`;
    if (series.has(id)) throw new Error(`told twice: ${id}`);
    series.add(id);
    samples.push({ name, labels: labelsOf(labels), value: Number(value) });
  }
  const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
    samples.find(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, expected]) => sample.labels[label] === expected),
    )?.value;
  return { samples, types, help, value };
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let match = LABEL.exec(text); match !== null; match = LABEL.exec(text)) {
    labels[match[1] as string] = match[2] as string;
    end = LABEL.lastIndex;
  }
  if (end !== text.length) throw new Error(`labels cannot be read: ${text}`);
  return labels;
}
