/** The shape of the Dockerfile: what it copies is there, and what it makes runs as nobody special and says it lives. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { error, type Finding, ok } from './finding.js';
import { uploadedFiles } from './upload.js';

interface Instruction {
  word: string;
  rest: string;
}

const WORDS = new Set([
  ...[
    'FROM',
    'RUN',
    'CMD',
    'LABEL',
    'EXPOSE',
    'ENV',
    'ADD',
    'COPY',
    'ENTRYPOINT',
    'VOLUME',
    'USER',
    'WORKDIR',
  ],
  ...['ARG', 'ONBUILD', 'STOPSIGNAL', 'HEALTHCHECK', 'SHELL'],
]);

/** @param engine the major version of Node.js that is wanted */
export function checkDockerfile(root: string, engine: number): Finding[] {
  const path = join(root, 'Dockerfile');
  if (!existsSync(path)) return [ok('no Dockerfile, so none to check')];
  const instructions = parse(readFileSync(path, 'utf8'));
  const stages = stagesOf(instructions);
  const last = stages.at(-1) ?? [];
  const wrong: string[] = [];
  for (const { word } of instructions) if (!WORDS.has(word)) wrong.push(`${word} is not an instruction`);
  if (stages.length === 0) wrong.push('it has no FROM');
  for (const [from] of stages) {
    const image = from?.rest.split(' ')[0] ?? '';
    if (!image.startsWith(`node:${engine}`)) wrong.push(`FROM ${image}: app.yaml runs Node.js ${engine}`);
  }
  wrong.push(...missingSources(root, instructions));
  const said = (word: string): string => last.findLast((each) => each.word === word)?.rest ?? '';
  if (/^(root|0)?(:|$)/.test(said('USER'))) wrong.push('the last stage runs as root: add USER node');
  if (!/\bHOST=0\.0\.0\.0\b/.test(said('ENV'))) wrong.push('the last stage lacks ENV HOST=0.0.0.0');
  if (said('HEALTHCHECK') === '') wrong.push('the last stage has no HEALTHCHECK');
  const started = /dist\/\S+?\.js/.exec(`${said('ENTRYPOINT')} ${said('CMD')}`)?.[0];
  if (started === undefined) wrong.push('the last stage starts no file of dist/');
  else if (!existsSync(join(root, started)))
    wrong.push(`${started}, which it starts, is not built: npm run build`);
  const omitsDev = instructions.some(({ word, rest }) => word === 'RUN' && rest.includes('--omit=dev'));
  if (!omitsDev) wrong.push('what only the build needs stays in: npm ci --omit=dev, or npm prune --omit=dev');
  return wrong.length === 0
    ? [ok(`${stages.length} stages, not root, checked for health; not built here`)]
    : wrong.map((detail) => error(`Dockerfile: ${detail}`));
}

function parse(text: string): Instruction[] {
  return text
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [word = '', ...rest] = line.split(/\s+/);
      return { word: word.toUpperCase(), rest: rest.join(' ') };
    });
}

function stagesOf(instructions: readonly Instruction[]): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const instruction of instructions) {
    if (instruction.word === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** What is copied from here must be here, and .dockerignore must let it through. */
function missingSources(root: string, instructions: readonly Instruction[]): string[] {
  const sent = uploadedFiles(root, '.dockerignore').map(({ path }) => path);
  return instructions
    .filter(({ word, rest }) => (word === 'COPY' || word === 'ADD') && !rest.includes('--from='))
    .flatMap(({ rest }) =>
      rest
        .split(' ')
        .filter((part) => !part.startsWith('--'))
        .slice(0, -1),
    )
    .map((source) => source.replace(/^\.\//, '').replace(/\/$/, ''))
    .flatMap((source) => {
      if (!existsSync(join(root, source))) return [`it copies ${source}, which is not there`];
      const isSent = sent.some((path) => path === source || path.startsWith(`${source}/`));
      return isSent ? [] : [`it copies ${source}, which .dockerignore leaves out`];
    });
}
