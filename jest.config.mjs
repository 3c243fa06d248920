// The suite runs against the built service: `#assay/*` is dist/ at run time (package.json, imports)
// and src/ for the type checker (tsconfig.json, paths). Worker threads and the CLI are the real ones.
export default {
  testEnvironment: 'node',
  rootDir: '.',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': '@swc/jest' },
  maxWorkers: 2,
  testTimeout: 30_000,
};
