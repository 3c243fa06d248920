/** What goes to Google Cloud beside the data: real client, real credentials file, a token server of our own. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readConfiguration } from '#assay/configuration.js';
import { GoogleCloud } from '#assay/observability/google-cloud.js';
import { type Folder, temporaryFolder } from '../given.js';

const APP_ENGINE = {
  GAE_ENV: 'standard',
  GOOGLE_CLOUD_PROJECT: 'a-project',
  GAE_SERVICE: 'a-service',
  GAE_VERSION: 'a-version',
  GAE_INSTANCE: 'an-instance',
};

let folder: Folder;
let tokens: Server;
let isGenerous = true;
const asked: string[] = [];

beforeAll(async () => {
  process.env.METADATA_SERVER_DETECTION = 'none';
  folder = temporaryFolder();
  tokens = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      asked.push(text);
      if (!isGenerous) return void response.writeHead(403).end('{"error":"denied"}');
      response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          access_token: 'a-token',
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          token_type: 'Bearer',
          expires_in: 3600,
        }),
      );
    });
  });
  await new Promise<void>((done) => tokens.listen(0, '127.0.0.1', done));
  const subject = join(folder.path, 'subject');
  writeFileSync(subject, 'who we are');
  const credentials = join(folder.path, 'credentials.json');
  writeFileSync(
    credentials,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`,
      credential_source: { file: subject },
      quota_project_id: 'a-charged-project',
    }),
  );
  process.env.GOOGLE_APPLICATION_CREDENTIALS = credentials;
});

afterAll(async () => {
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  tokens.closeAllConnections();
  await new Promise((done) => tokens.close(done));
  folder.remove();
});

describe('an export to Google Cloud', () => {
  it('ensures that it carries a token that is asked for once, and the project that is charged where the credentials name one', async () => {
    const cloud = new GoogleCloud(APP_ENGINE, (message) => expect(message).toBe('no trouble'));
    const headers = { authorization: 'Bearer a-token', 'x-goog-user-project': 'a-charged-project' };
    expect(await cloud.headers()).toEqual(headers);
    expect(await cloud.headers()).toEqual(headers);
    expect(asked).toHaveLength(1);
    expect(new URLSearchParams(asked[0]).get('scope')).toBe('https://www.googleapis.com/auth/cloud-platform');
  });

  it('ensures that a refused token stops nothing, and says which role is missing', async () => {
    isGenerous = false;
    const told: string[] = [];
    expect(await new GoogleCloud(APP_ENGINE, (message) => told.push(message)).headers()).toEqual({});
    expect(told).toEqual([
      expect.stringMatching(/denied.*roles\/telemetry\.writer.*OTEL_SDK_DISABLED=true/s),
    ]);
  });

  it('ensures that its resource names project, service, version and instance', async () => {
    expect(await new GoogleCloud(APP_ENGINE, () => {}).resource()).toMatchObject({
      'gcp.project_id': 'a-project',
      'cloud.platform': 'gcp_app_engine',
      'service.name': 'a-service',
      'service.version': 'a-version',
      'service.instance.id': 'an-instance',
    });
  });
});

describe('the configuration', () => {
  it.each([
    ['on one machine', {}, 'text', 'off', 'off'],
    ['on App Engine', APP_ENGINE, 'json', 'google', 'google'],
    ['on Cloud Run', { K_SERVICE: 's' }, 'json', 'google', 'google'],
    [
      'on Cloud Run, told otherwise',
      { K_SERVICE: 's', ASSAY_LOG_FORMAT: 'text' },
      'text',
      'google',
      'google',
    ],
    ['switched off', { ...APP_ENGINE, OTEL_SDK_DISABLED: 'true' }, 'json', 'off', 'off'],
    ['with a collector', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'text', 'otlp', 'otlp'],
    [
      'with a collector for traces',
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318' },
      'text',
      'otlp',
      'off',
    ],
    [
      'with a collector on Cloud Run',
      { K_SERVICE: 's', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' },
      'json',
      'otlp',
      'otlp',
    ],
    ['without metrics', { ...APP_ENGINE, OTEL_METRICS_EXPORTER: 'none' }, 'json', 'google', 'off'],
    [
      'towards Google from elsewhere',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://telemetry.googleapis.com' },
      'text',
      'google',
      'google',
    ],
  ])(
    'ensures that %s log, traces and metrics go where they should',
    (_, environment, log, traces, metrics) => {
      const { logFormat, telemetry } = readConfiguration(environment);
      expect({ logFormat, ...telemetry }).toEqual({ logFormat: log, traces, metrics });
    },
  );

  it('ensures that a format nobody knows is refused', () => {
    expect(() => readConfiguration({ ASSAY_LOG_FORMAT: 'xml' })).toThrow(
      'ASSAY_LOG_FORMAT is "xml": give text or json',
    );
  });
});
