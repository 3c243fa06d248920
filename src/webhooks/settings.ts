/** The webhooks that a configuration names, or everything that is wrong with them. Pure. */
import { isForbidden } from './addresses.js';
import { SENT_TYPES, type Webhook } from './webhook.js';

const HOOKS_LIMIT = 16;
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const FIELDS = ['name', 'url', 'secret', 'predictors', 'types', 'giveUpAfterHours'];
const GIVE_UP_HOURS = 72;
const GIVE_UP_HOURS_LIMIT = 24 * 30;
/** As the scheme of the signature wants it, bytes. */
const SECRET_BYTES = [24, 64] as const;

type Fields = Record<string, unknown>;

/**
 * @param text JSON: a list of `{name, url, secret, predictors?, types?, giveUpAfterHours?}`; empty: none
 * @param errors is added to, a sentence each
 */
export function readWebhooks(text: string, errors: string[]): Webhook[] {
  if (text === '') return [];
  const wrong = (detail: string): void => void errors.push(`ASSAY_WEBHOOKS: ${detail}`);
  const list = listIn(text, wrong);
  const webhooks = list.map((fields, index) => readWebhook(fields, `webhook ${index + 1}`, wrong));
  const names = webhooks.map(({ name }) => name);
  const twice = names.find((name, index) => name !== '' && names.indexOf(name) !== index);
  if (twice !== undefined) wrong(`two webhooks are named "${twice}": give each a name of its own`);
  return webhooks;
}

function listIn(text: string, wrong: (detail: string) => void): Fields[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    // The message itself quotes what stands around the mistake, which may be a secret.
    const [place] = /at position \d+/.exec((error as Error).message) ?? [];
    wrong(`it cannot be read as JSON${place === undefined ? '' : `: there is a mistake ${place}`}`);
    return [];
  }
  if (!Array.isArray(list) || !list.every(isFields)) {
    wrong('give a list of objects, such as [{"name": "chat", "url": "https://…", "secret": "whsec_…"}]');
    return [];
  }
  if (list.length > HOOKS_LIMIT) wrong(`there are ${list.length} webhooks: give up to ${HOOKS_LIMIT}`);
  return list;
}

function readWebhook(fields: Fields, place: string, wrong: (detail: string) => void): Webhook {
  const at = (field: string, detail: string): void => wrong(`${place}: ${field} ${detail}`);
  for (const field of Object.keys(fields)) {
    if (!FIELDS.includes(field)) at(`"${field}"`, `is not one of ${FIELDS.join(', ')}`);
  }
  const name = typeof fields.name === 'string' && NAME.test(fields.name) ? fields.name : '';
  if (name === '') at('name', 'must be 1 to 32 lower-case letters, digits or dashes');
  return {
    name,
    url: urlOf(fields.url, (detail) => at('url', detail)),
    secret: secretOf(fields.secret, (detail) => at('secret', detail)),
    predictors: predictorsOf(fields.predictors, (detail) => at('predictors', detail)),
    types: typesOf(fields.types, (detail) => at('types', detail)),
    giveUpMs: hoursOf(fields.giveUpAfterHours, (detail) => at('giveUpAfterHours', detail)) * 3_600_000,
  };
}

function urlOf(given: unknown, wrong: (detail: string) => void): string {
  const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    wrong('must be a URL of http or https, such as https://hooks.example/assay');
    return 'http://localhost';
  }
  if (url.username !== '' || url.password !== '') {
    wrong('must not hold a user or password: a receiver knows us by the signature');
  }
  if (isForbidden(url.hostname)) {
    wrong(`leads to ${url.hostname}, which is for a machine alone: name the receiver's own address`);
  }
  return url.href;
}

/** `whsec_` and base64, as the libraries of receivers take it; the prefix may be left out. */
function secretOf(given: unknown, wrong: (detail: string) => void): Buffer {
  const text = typeof given === 'string' ? given.trim().replace(/^whsec_/, '') : '';
  const secret = Buffer.from(text, 'base64');
  const [least, most] = SECRET_BYTES;
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  if (!isBase64 || secret.length < least || secret.length > most) {
    wrong(
      `must be whsec_ and ${least} to ${most} bytes in base64: make one with echo "whsec_$(openssl rand -base64 32)"`,
    );
  }
  return secret;
}

function predictorsOf(given: unknown, wrong: (detail: string) => void): string[] | null {
  if (given === undefined) return null;
  if (isTexts(given)) return given;
  wrong('must be a list of at least one name of a predictor; left out, it is about all of them');
  return null;
}

function typesOf(given: unknown, wrong: (detail: string) => void): readonly string[] {
  if (given === undefined) return SENT_TYPES;
  if (isTexts(given) && given.every((type) => SENT_TYPES.includes(type))) return given;
  wrong(`must be a list of at least one of ${SENT_TYPES.join(', ')}; left out, it is all of them`);
  return SENT_TYPES;
}

function hoursOf(given: unknown, wrong: (detail: string) => void): number {
  if (given === undefined) return GIVE_UP_HOURS;
  if (typeof given === 'number' && given >= 0 && given <= GIVE_UP_HOURS_LIMIT) return given;
  wrong(`must be a number of hours from 0 to ${GIVE_UP_HOURS_LIMIT}`);
  return GIVE_UP_HOURS;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && item !== '')
  );
}
