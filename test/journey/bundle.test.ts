/** What is started is a bundle, what the rest of the suite imports are the modules that it was made of. */
import { expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { call, startService, temporaryFolder } from '../given.js';

const MODULES = 'dist/cli/cli.js';
const BUNDLE = 'dist/bin/cli.js';

/** Everything that it says about itself by the names of its classes. */
async function described(cli: string): Promise<{ openapi: unknown; page: string; told: string[] }> {
  const folder = temporaryFolder();
  const service = await startService(folder.path, { LOG_LEVEL: 'debug', ASSAY_LOG_FORMAT: 'json' }, cli);
  const { body: openapi } = await call(service.url, '/openapi.json');
  const { body: page } = await call(service.url, '/docs/swagger-ui.css');
  await service.stop();
  folder.remove();
  const told = service
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => String(JSON.parse(line).message))
    .filter((message) => !message.includes(service.url));
  return { openapi, page, told };
}

it('ensures that the bundle describes itself as its modules do', async () => {
  const bundle = await described(BUNDLE);
  const modules = await described(MODULES);
  expect(bundle).toEqual(modules);
  expect(bundle.openapi).toMatchObject({ components: { schemas: { PredictRequest: expect.anything() } } });
  expect(bundle.told).toContain('AppModule dependencies initialized');
  expect(bundle.page).toContain('.swagger-ui');
}, 60_000);

/** Packages asked for by a file, wherever in it. */
const ASKED =
  /(?:^import (?:[^"']*\bfrom )?|\bimport\(|\b(?:__)?require(?:\$\d+)?(?:\.resolve)?\()["']((?:@[^/."']+\/)?[^@./"'#\s][^/"'\s]*)/gm;

it('ensures that every package that the bundle leaves outside is installed without those for development', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const names = readdirSync('dist/bin')
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => [...readFileSync(join('dist/bin', file), 'utf8').matchAll(ASKED)])
    .map(([, name]) => name as string)
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  expect(names).toEqual(expect.arrayContaining(['@google-cloud/bigquery', 'libsql', 'swagger-ui-dist']));
  const isInstalled = (name: string): boolean => {
    const entry = packages[`node_modules/${name}`];
    return entry !== undefined && entry.dev !== true;
  };
  // What is not there NestJS asks for, and does without.
  expect([...new Set(names)].filter((name) => !isInstalled(name)).sort()).toEqual([
    '@fastify/multipart',
    '@fastify/view',
    '@nestjs/microservices',
    '@nestjs/platform-express',
    '@nestjs/websockets',
  ]);
});
