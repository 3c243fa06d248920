/** Webhooks: every step and verdict, signed, in order, through failures and the death of the service. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  assay,
  call,
  eventually,
  type Folder,
  type RunningService,
  serviceEnvironment,
  startService,
  temporaryFolder,
} from '../given.js';
import { hook, isSigned, type Reaction, type Received, Receiver, SECRET } from '../webhooks/receiver.js';

const SPLITS = [0.2, 0.4, 0.6];
/** With all pauses between attempts. */
const PATIENCE_MS = 50_000;

const constant = (label: string) => ({ kind: 'constant', candidates: [{ label }] });

async function deploy(url: string, name: string): Promise<void> {
  for (const version of ['v1', 'v2']) {
    const answer = await call(url, `/v1/predictors/${name}/deployments`, {
      json: { version, backend: constant(version) },
    });
    expect(answer.status).toBe(201);
  }
}

const splitTo = (url: string, name: string, share: number) =>
  call(url, `/v1/predictors/${name}/traffic`, { json: { split: { v1: 1 - share, v2: share } } });

/** Share of v2 in what was taken, in the order in which it came. */
const shares = (taken: Received[]): number[] => taken.map(({ event }) => event.data.split.v2);

const states = async (url: string) => (await call(url, '/v1/webhooks')).body.webhooks;
const stateOf = async (url: string, name: string) =>
  (await states(url)).find((state: { name: string }) => state.name === name);

describe('webhooks of a service', () => {
  let folder: Folder;
  let receiver: Receiver;
  let service: RunningService;

  beforeAll(async () => {
    folder = temporaryFolder();
    receiver = await new Receiver().start();
    service = await startService(folder.path);
    // Before the webhooks begin: none of it is sent.
    await deploy(service.url, 'old');
    await splitTo(service.url, 'old', 0.1);
    await service.stop();
    service = await startService(folder.path, {
      ASSAY_WEBHOOKS: JSON.stringify([
        hook('all', receiver.url('/all')),
        hook('other', receiver.url('/other'), { predictors: ['other'] }),
        hook('promoted', receiver.url('/promoted'), { types: ['assay.predictor.promoted'] }),
        hook('hopeless', receiver.url('/hopeless'), { giveUpAfterHours: 0, predictors: ['hopeless'] }),
        hook('gone', receiver.url('/gone'), { predictors: ['gone'] }),
        hook('moved', receiver.url('/moved'), { predictors: ['gone'] }),
      ]),
    });
    await eventually(
      () => states(service.url),
      (all) => all.every(({ status }: { status: string }) => status === 'idle'),
    );
  }, 60_000);

  afterAll(async () => {
    await service.stop();
    await receiver.stop();
    folder.remove();
  });

  it('ensures that each step is sent as it stands in the log, signed, and nothing from before', async () => {
    await deploy(service.url, 'new');
    const canary = { version: 'v3', backend: constant('v3'), canary: { ramp: [0.2, 0.6] } };
    await call(service.url, '/v1/predictors/new/deployments', { json: canary });
    for (const action of ['pause', 'resume', 'skip']) {
      await call(service.url, `/v1/predictors/new/canary/${action}`, { json: { reason: 'a test' } });
    }
    await call(service.url, '/v1/predictors/new/promote', { json: { version: 'v3' } });
    const isOfNew = ({ event }: Received) => event.subject === 'predictor-new';
    const sent = await eventually(
      () => Promise.resolve(receiver.taken('/all').filter(isOfNew)),
      (taken) => taken.some(({ event }) => event.type === 'assay.predictor.promoted'),
    );
    const { body } = await call(service.url, '/v1/events?predictor=new');
    const steps = body.events.filter(({ type }: { type: string }) => type !== 'assay.predictor.deployed');
    expect(sent.map(({ event }) => event)).toEqual(steps);
    expect(steps.map(({ type }: { type: string }) => type.slice('assay.predictor.'.length))).toEqual(
      expect.arrayContaining([
        'canary_started',
        'traffic_split',
        'canary_paused',
        'canary_resumed',
        'promoted',
      ]),
    );
    for (const received of sent) {
      expect(received.headers['content-type']).toMatch(/^application\/cloudevents\+json/);
      expect(received.headers['webhook-id']).toBe(`predictor-new:${received.event.revision}`);
      expect(Math.abs(received.at / 1000 - Number(received.headers['webhook-timestamp']))).toBeLessThan(60);
      expect(await isSigned(SECRET, received)).toBe(true);
      expect(await isSigned(SECRET, { ...received, text: `${received.text} ` })).toBe(false);
    }
    expect(receiver.received.filter(({ event }) => event.subject === 'predictor-old')).toEqual([]);
    expect(receiver.at('/other')).toEqual([]);
    expect(receiver.at('/promoted').map(({ event }) => event.type)).toEqual(['assay.predictor.promoted']);
  }, 60_000);

  it('ensures that order is kept while the receiver fails in every way', async () => {
    const reactions: Reaction[] = [500, 'close', 204, 'silence', 204, [429, { 'retry-after': '3' }], 204];
    receiver.react = ({ path }) => (path === '/other' ? (reactions.shift() ?? 204) : 204);
    await deploy(service.url, 'other');
    for (const share of SPLITS) await splitTo(service.url, 'other', share);
    await eventually(
      () => Promise.resolve(receiver.taken('/other')),
      (taken) => taken.length === SPLITS.length,
      PATIENCE_MS,
    );
    expect(shares(receiver.at('/other'))).toEqual([0.2, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6]);
    expect(shares(receiver.taken('/other'))).toEqual(SPLITS);
    const attempts = receiver.at('/other');
    const ids = attempts.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(SPLITS.length);
    const [refused, taken] = attempts.slice(-2) as [Received, Received];
    expect(taken.at - refused.at).toBeGreaterThanOrEqual(2_900);
    const { body } = await call(service.url, '/metrics');
    expect(body).toMatch(/assay_webhook_attempts_total\{webhook="other",result="delivered"\} 3/);
    expect(body).toMatch(/assay_webhook_attempts_total\{webhook="other",result="failed"\} 4/);
    expect(body).toMatch(/assay_webhook_waiting\{webhook="other"\} 0/);
  }, 80_000);

  it('ensures that what cannot be delivered is given up in the end, and the next one follows', async () => {
    receiver.react = ({ path, event }) => (path === '/hopeless' && event.data.split?.v2 === 0.2 ? 500 : 204);
    await deploy(service.url, 'hopeless');
    for (const share of SPLITS) await splitTo(service.url, 'hopeless', share);
    const failing = await eventually(
      () => stateOf(service.url, 'hopeless'),
      ({ status }) => status === 'failing',
    );
    expect(failing).toMatchObject({ error: 'it answered 500', origin: new URL(receiver.url('/')).origin });
    expect(failing.waiting).toBeGreaterThan(0);
    expect(Date.parse(failing.waitingSince)).toBeLessThanOrEqual(Date.now());
    await eventually(
      () => Promise.resolve(receiver.taken('/hopeless')),
      (taken) => taken.length === 2,
      PATIENCE_MS,
    );
    expect(shares(receiver.at('/hopeless'))).toEqual([0.2, 0.2, 0.2, 0.2, 0.2, 0.4, 0.6]);
    expect(await stateOf(service.url, 'hopeless')).toMatchObject({
      status: 'idle',
      waiting: 0,
      waitingSince: null,
      error: null,
      lastDelivered: { type: 'assay.predictor.traffic_split', predictor: 'hopeless' },
    });
    expect(service.output()).toContain('which is given up: it answered 500');
  }, 80_000);

  it('ensures that 410 turns a webhook off, and a redirect is not followed', async () => {
    receiver.react = ({ path }) =>
      path === '/gone' ? 410 : path === '/moved' ? [307, { location: receiver.url('/elsewhere') }] : 204;
    await deploy(service.url, 'gone');
    for (const share of SPLITS) await splitTo(service.url, 'gone', share);
    const off = await eventually(
      () => stateOf(service.url, 'gone'),
      ({ status }) => status === 'off',
    );
    expect(off.error).toContain('410 Gone');
    const moved = await eventually(
      () => stateOf(service.url, 'moved'),
      ({ status }) => status === 'failing',
    );
    expect(moved.error).toContain('redirects are not followed');
    expect(receiver.at('/gone')).toHaveLength(1);
    expect(receiver.at('/elsewhere')).toEqual([]);
    // Others are not held up.
    await eventually(
      () => Promise.resolve(receiver.taken('/all').filter(({ event }) => event.subject === 'predictor-gone')),
      (taken) => taken.length === SPLITS.length,
    );
  }, 30_000);

  it('ensures that what the service notes for itself, and its secret, stay inside', async () => {
    const { body } = await call(service.url, '/v1/events?limit=1000');
    expect(body.events.filter(({ type }: { type: string }) => type.startsWith('assay.webhook.'))).toEqual([]);
    expect(JSON.stringify(await states(service.url))).not.toContain(SECRET.slice(6));
    expect(JSON.stringify(await states(service.url))).not.toContain('/hopeless');
    expect(service.output()).not.toContain(SECRET.slice(6));
  });
});

describe('webhooks of a service that is killed', () => {
  it('ensures that every event arrives, in order, the one under way once more', async () => {
    const folder = temporaryFolder();
    const receiver = await new Receiver().start();
    const environment = { ASSAY_WEBHOOKS: JSON.stringify([hook('chat', receiver.url('/'))]) };
    const KILLS = [3, 7];
    const count = 9;
    let service = await startService(folder.path, environment);
    try {
      await deploy(service.url, 'p');
      for (const [at, killAt] of KILLS.entries()) {
        // It is killed while the receiver has the event and has not answered: nobody can know whether it was taken.
        receiver.react = ({ event }) => (event.revision - 2 === killAt ? 'silence' : 204);
        const from = at === 0 ? 0 : (KILLS[at - 1] ?? 0) + 1;
        for (let i = from; i <= killAt; i++) await splitTo(service.url, 'p', (i + 1) / 100);
        await eventually(
          () => Promise.resolve(receiver.received),
          (received) => received.some(({ event }) => event.revision - 2 === killAt),
        );
        await service.kill();
        receiver.react = () => 204;
        service = await startService(folder.path, environment);
      }
      await splitTo(service.url, 'p', 0.09);
      await eventually(
        () => Promise.resolve(receiver.received),
        (received) => received.filter(({ isTaken }) => isTaken).length >= count,
      );
      const sent = receiver.received.map(({ event }) => event.revision - 2);
      expect(sent).toEqual([0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8]);
    } finally {
      await service.stop();
      await receiver.stop();
      folder.remove();
    }
  }, 90_000);

  it('ensures that webhooks that cannot be are told before anything starts, from a file too', async () => {
    const folder = temporaryFolder();
    try {
      const environment = serviceEnvironment(folder.path, { ASSAY_WEBHOOKS: '/nowhere/webhooks.json' });
      const missing = await assay(['serve'], environment);
      expect(missing).toMatchObject({ status: 3 });
      expect(missing.stderr).toContain('give a JSON list or a file that holds one');
      const wrong = await assay(['serve'], {
        ...environment,
        ASSAY_WEBHOOKS: JSON.stringify([{ name: 'chat', url: 'http://169.254.169.254/' }]),
      });
      expect(wrong).toMatchObject({ status: 3 });
      expect(wrong.stderr).toContain('ASSAY_WEBHOOKS: webhook 1: url leads to 169.254.169.254');
    } finally {
      folder.remove();
    }
  }, 30_000);
});
