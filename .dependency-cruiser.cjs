/** The direction in which the house may be walked; docs/architecture.md says why. */
const layers = [
  ['event'],
  ['store', 'warehouse', 'serving'],
  ['http'],
  ['access'],
  ['webhooks'],
  ['intake', 'projection', 'quality', 'verdict'],
  ['observability'],
  ['cli'],
];

/** A folder may import from the layers below it and from itself, never sideways or up. */
const directions = layers.flatMap((folders, level) =>
  folders.map((folder) => {
    const allowed = [...layers.slice(0, level).flat(), folder];
    if (folder === 'quality' || folder === 'verdict') allowed.push('warehouse');
    return {
      name: `${folder}-looks-down-only`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/[^/]+/', pathNot: `^src/(${allowed.join('|')})/` },
    };
  }),
);

const adapter = (sdk, path) => ({
  name: `${sdk}-only-in-its-adapter`,
  severity: 'error',
  from: { path: '^src/', pathNot: path },
  to: { path: `node_modules/${sdk}/` },
});

module.exports = {
  forbidden: [
    ...directions,
    {
      name: 'event-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/event/' },
      to: { path: '^src/', pathNot: '^src/event/' },
    },
    {
      name: 'problem-is-not-for-events',
      severity: 'error',
      from: { path: '^src/event/' },
      to: { path: '^src/problem' },
    },
    {
      name: 'adapters-are-named-by-the-composition-root',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/(app\\.(module|adapters)|store/event-store\\.(sqlite|firestore)|warehouse/warehouse\\.(duckdb|bigquery)|serving/traffic\\.appengine)',
      },
      to: {
        path: '^src/(store/event-store\\.(sqlite|firestore)|warehouse/warehouse\\.(duckdb|bigquery)|serving/traffic\\.appengine)',
      },
    },
    adapter('libsql', '^src/store/event-store\\.sqlite'),
    adapter('@google-cloud/firestore', '^src/store/event-store\\.firestore'),
    adapter('@grpc', '^src/store/event-store\\.firestore'),
    adapter('@duckdb', '^src/warehouse/warehouse\\.duckdb'),
    adapter('(@opentelemetry|prom-client)', '^src/observability/'),
    adapter('(@google-cloud/bigquery|umzug)', '^src/warehouse/warehouse\\.bigquery'),
    adapter('undici', '^src/(serving/backend\\.http|webhooks/sender)'),
    adapter(
      'google-auth-library',
      '^src/(google-api|observability/google-cloud|warehouse/warehouse\\.bigquery)',
    ),
    {
      name: 'pure-files-import-no-nest-and-no-io',
      severity: 'error',
      from: {
        path: '^src/(event/|serving/split|quality/intervals|verdict/(?!cells|judge|canary\\.controller|challengers)|warehouse/sql|webhooks/(webhook|signature|settings)\\.)',
      },
      to: { path: '(node_modules/@nestjs|^(fs|net|http|worker_threads|child_process)$)' },
    },
    { name: 'no-circles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        path: '^src/',
        pathNot: '(\\.d\\.ts$|\\.worker\\.ts$|main\\.ts$|cli\\.ts$|\\.server\\.ts$)',
      },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/.*/node_modules)' },
  },
};
