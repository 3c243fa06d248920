/**
 * The second step of the build: what is started, as a few files in dist/bin, with the packages it needs inside. Node
 * finds, reads and links each module for itself, which for some 2500 of them takes longer than to run them
 * (docs/decisions/0021-bundled-start.md). The modules that swc made stay in dist/ as they are: the suite imports them.
 */
import { rolldown } from 'rolldown';

/** By the name of the file in dist/bin. Threads and child processes are started by these names, from beside them. */
const STARTED = {
  cli: 'dist/cli/cli.js',
  'event-store.sqlite.worker': 'dist/store/event-store.sqlite.worker.js',
  'warehouse.duckdb.worker': 'dist/warehouse/warehouse.duckdb.worker.js',
  'classifier.server': 'dist/cli/demo/classifier.server.js',
};

/** Read from node_modules when asked for. */
const LEFT_OUTSIDE = [
  // Compiled for a platform.
  ...['@duckdb/node-bindings', 'libsql'],
  // Files that are looked for, and modules that are asked for by name, where the package lies.
  ...['@google-cloud', '@grpc', 'google-auth-library', 'google-gax', 'naics', 'swagger-ui-dist', 'umzug'],
  // What NestJS asks for and does without, not being installed.
  ...['@fastify/multipart', '@fastify/view', '@nestjs/microservices', '@nestjs/platform-express'],
  ...['@nestjs/websockets', 'class-transformer/storage'],
];
const isOutside = (id) => LEFT_OUTSIDE.some((name) => id === name || id.startsWith(`${name}/`));

const bundle = await rolldown({
  input: STARTED,
  platform: 'node',
  external: isOutside,
  onLog(level, log, handle) {
    // A name that is found neither here nor outside would fail only when the service runs.
    if (level === 'warn') throw new Error(log.message);
    handle(level, log);
  },
});
await bundle.write({
  dir: 'dist/bin',
  entryFileNames: '[name].js',
  chunkFileNames: 'part-[hash].js',
  // Of NestJS's parts and of the request classes the names are read: by the log, by OpenAPI, by problems.
  keepNames: true,
  strictExecutionOrder: true,
  sourcemap: true,
  sourcemapExcludeSources: true,
  comments: { legal: true, annotation: false, jsdoc: false },
});
await bundle.close();
