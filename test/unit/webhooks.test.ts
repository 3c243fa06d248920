/** What a webhook's settings may say, where none is sent to, how long it waits, and how it signs. */
import { describe, expect, it } from '@jest/globals';
import { expanded } from '#assay/environment.js';
import { isForbidden } from '#assay/webhooks/addresses.js';
import { milliseconds } from '#assay/webhooks/sender.js';
import { readWebhooks } from '#assay/webhooks/settings.js';
import { signatureHeaders, webhookId } from '#assay/webhooks/signature.js';
import { pauseMs, SENT_TYPES } from '#assay/webhooks/webhook.js';
import { webhookStream, webhookStreams } from '#assay/event/webhook.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const GOOD = { name: 'chat', url: 'https://hooks.example/a', secret: SECRET };

function errorsOf(webhooks: unknown): string[] {
  const errors: string[] = [];
  readWebhooks(typeof webhooks === 'string' ? webhooks : JSON.stringify(webhooks), errors);
  return errors;
}

describe('the settings of webhooks', () => {
  it('ensures that what is left out has a sensible value', () => {
    const errors: string[] = [];
    const [webhook] = readWebhooks(JSON.stringify([GOOD]), errors);
    expect(errors).toEqual([]);
    expect(webhook).toEqual({
      name: 'chat',
      url: 'https://hooks.example/a',
      secret: Buffer.alloc(32, 7),
      predictors: null,
      types: SENT_TYPES,
      giveUpMs: 72 * 3_600_000,
    });
    expect(readWebhooks('', errors)).toEqual([]);
  });

  it.each([
    ['{', /cannot be read as JSON/],
    ['{}', /give a list of objects/],
    ['[1]', /give a list of objects/],
    [[{ ...GOOD, name: 'Chat' }], /webhook 1: name must be 1 to 32 lower-case/],
    [[GOOD, { ...GOOD, url: 'ftp://hooks.example' }], /webhook 2: url must be a URL of http or https/],
    [[{ ...GOOD, url: 'https://user:word@hooks.example' }], /must not hold a user or password/],
    [[{ ...GOOD, url: 'http://169.254.169.254/latest' }], /leads to 169.254.169.254/],
    [[{ ...GOOD, url: 'http://0xa9fea9fe/' }], /leads to 169.254.169.254/],
    [[{ ...GOOD, url: 'http://[::ffff:169.254.169.254]/' }], /which is for a machine alone/],
    [[{ ...GOOD, url: 'http://metadata.google.internal/' }], /leads to metadata.google.internal/],
    [[{ ...GOOD, secret: 'short' }], /secret must be whsec_ and 24 to 64 bytes.*openssl rand -base64 32/],
    [[{ ...GOOD, secret: undefined }], /secret must be/],
    [[{ ...GOOD, predictors: [] }], /predictors must be a list of at least one/],
    [[{ ...GOOD, types: ['assay.predictor.deployed'] }], /types must be .*canary_judged/],
    [[{ ...GOOD, giveUpAfterHours: -1 }], /giveUpAfterHours must be a number of hours from 0 to 720/],
    [[{ ...GOOD, token: 'x' }], /"token" is not one of name, url/],
    [[GOOD, GOOD], /two webhooks are named "chat"/],
    [Array.from({ length: 17 }, (_, i) => ({ ...GOOD, name: `n${i}` })), /there are 17 webhooks/],
  ])('ensures that %j is refused with what to do', (webhooks, message) => {
    expect(errorsOf(webhooks).join('\n')).toMatch(message);
    expect(errorsOf(webhooks).every((error) => error.startsWith('ASSAY_WEBHOOKS: '))).toBe(true);
  });

  it.each([
    ['a field', JSON.stringify([{ ...GOOD, secret: 'my own word', name: '' }])],
    ['no list', JSON.stringify({ ...GOOD, secret: 'my own word' })],
    ['broken JSON', '[{"name": "chat", "secret": "my own word" x}]'],
    ['a text without quotes', '[{"name": "chat", "secret": my own word}]'],
    ['a comma too many', '[{"secret": "my own word",}]'],
    ['an end too early', '[{"name": "my own word'],
    ['a reference', '[{"secret": "my own word", "url": "https://${NOT_THERE}/"}]'],
    ['neither JSON nor a file', 'my own word'],
  ])('ensures that no message holds a secret when there is %s to complain of', (_, webhooks) => {
    const errors: string[] = [];
    const { ASSAY_WEBHOOKS } = expanded({ ASSAY_WEBHOOKS: webhooks }, errors);
    readWebhooks(ASSAY_WEBHOOKS ?? '', errors);
    expect(errors).not.toEqual([]);
    expect(errors.join()).not.toMatch(/my|own|word/);
  });
});

describe('addresses', () => {
  it.each([
    ['169.254.169.254', true],
    ['169.255.0.1', false],
    ['[fe80::1]', true],
    ['febf::1', true],
    ['fec0::1', false],
    ['::ffff:169.254.1.1', true],
    ['::ffff:127.0.0.1', false],
    ['fd00:ec2::254', true],
    ['fd00:ec2::23', true],
    ['fd00:ec3::1', false],
    ['[fd20:ce::254]', true],
    ['64:ff9b::a9fe:a9fe', true],
    ['64:ff9b::169.254.169.254', true],
    ['64:ff9b::a00:1', false],
    ['2002:a9fe:a9fe::1', true],
    ['2002:a00:1::1', false],
    ['::a9fe:a9fe', true],
    ['::1', false],
    ['metadata.goog', true],
    ['metadata.google.internal', true],
    ['metadata.google.internal.', true],
    ['metadata.example', false],
    ['127.0.0.1', false],
    ['10.0.0.1', false],
    ['0.0.0.0', true],
  ])('ensures that %s is forbidden: %j', (host, is) => {
    expect(isForbidden(host)).toBe(is);
  });
});

describe('the pause before the next attempt', () => {
  it('ensures that it doubles from a second to five minutes, with a quarter more or less', () => {
    expect([1, 2, 3, 9, 30].map((failures) => pauseMs(failures, null, 0.5))).toEqual([
      1_000, 2_000, 4_000, 256_000, 300_000,
    ]);
    expect(pauseMs(1, null, 0)).toBe(750);
    expect(pauseMs(40, null, 0.999)).toBeLessThan(375_000);
  });

  it('ensures that a receiver may ask for more, up to an hour, but not for less', () => {
    expect(pauseMs(1, 20_000, 0.5)).toBe(20_000);
    expect(pauseMs(5, 1_000, 0.5)).toBe(16_000);
    expect(pauseMs(1, 1e12, 0.5)).toBe(3_600_000);
  });

  it.each([
    ['120', 120_000],
    ['Wed, 21 Oct 2026 07:28:30 GMT', 30_000],
    ['Wed, 21 Oct 2026 07:27:00 GMT', 0],
    ['', null],
    ['soon', null],
  ])('ensures that Retry-After %j is %j', (text, wanted) => {
    expect(milliseconds(text, Date.UTC(2026, 9, 21, 7, 28))).toBe(wanted);
  });
});

describe('the signature', () => {
  it('ensures that it is the one of the published scheme', () => {
    const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
    expect(signatureHeaders(secret, id, '{"test": 2432232314}', 1_614_265_330_999)).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('ensures that the id names one event, and has no dot', () => {
    expect(webhookId({ stream: 'predictor-a.b', revision: 3 })).toBe('predictor-a~b:3');
  });
});

describe('the streams of a webhook', () => {
  it('ensures that the latest month comes first, next month ahead of it', () => {
    const now = Date.UTC(2026, 0, 31, 23);
    const streams = [...webhookStreams('chat', now)];
    expect(streams.slice(0, 3)).toEqual([
      'webhook-chat-2026-02',
      'webhook-chat-2026-01',
      'webhook-chat-2025-12',
    ]);
    expect(streams).toContain(webhookStream('chat', now));
    expect(new Set(streams).size).toBe(37);
  });
});
