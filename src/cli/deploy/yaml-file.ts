/** A YAML file held to a JSON schema, with the line on which each thing is wrong. */
import { type AnySchema, Ajv, type ErrorObject } from 'ajv';
import { readFileSync } from 'node:fs';
import { isScalar, LineCounter, parseDocument, visit } from 'yaml';

export interface YamlFile<Content> {
  /** Null where it cannot be read at all. */
  content: Content | null;
  /** `app.yaml:12: /service must be …` */
  errors: string[];
}

/** Words that stand for what only the operator knows. */
const PLACEHOLDER =
  /<[A-Za-z][\w -]*>|\b(?:YOUR|MY)[_-][A-Z][A-Z_-]*\b|\b(?:CHANGE_?ME|TODO|PROJECT(?:_ID)?|REGION|DATASET|DATABASE|ACCOUNT)\b/;

/** @param name the file's name in messages; its folder is the present one */
export function readYaml<Content>(path: string, name: string, schema: AnySchema): YamlFile<Content> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { content: null, errors: [`${name} cannot be read (${(error as Error).message})`] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => `${name}:${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    return { content: null, errors: document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message}`) };
  }
  const content: unknown = document.toJS();
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true, verbose: true }).compile(schema);
  void validate(content);
  const lineOf = (pointer: string): string => {
    for (let path = pointer.split('/').slice(1); ; path = path.slice(0, -1)) {
      const node = document.getIn(path.map(unescapePointer), true) as { range?: [number] } | undefined;
      if (node?.range !== undefined) return at(node.range[0]);
      if (path.length === 0) return name;
    }
  };
  const errors = (validate.errors ?? [])
    .filter(({ keyword }) => keyword !== 'if')
    .map((error) => `${lineOf(pointerOf(error))}: ${pointerOf(error) || '/'} ${explained(error)}`);
  visit(document, {
    Scalar: (_, node) => {
      if (!isScalar(node) || typeof node.value !== 'string') return;
      const found = PLACEHOLDER.exec(node.value.replace(/\$\{\w+\}/g, ''));
      if (found === null) return;
      errors.push(`${at(node.range?.[0] ?? 0)}: "${node.value}" still has the placeholder ${found[0]}`);
    },
  });
  return { content: content as Content, errors };
}

/** An unknown or a missing name is pointed at itself. */
function pointerOf({ instancePath, keyword, params }: ErrorObject): string {
  const { additionalProperty } = params as { additionalProperty?: string };
  return keyword === 'additionalProperties' ? `${instancePath}/${additionalProperty}` : instancePath;
}

function explained({ keyword, params, message, parentSchema }: ErrorObject): string {
  const { allowedValues } = params as { allowedValues?: unknown[] };
  const { description } = (parentSchema ?? {}) as { description?: string };
  if (keyword === 'additionalProperties') return 'is not a field that App Engine knows there';
  if (keyword === 'enum') return `must be one of ${(allowedValues ?? []).join(', ')}`;
  if (keyword === 'pattern' && description !== undefined) return `must be ${description}`;
  return message ?? keyword;
}

function unescapePointer(part: string): string | number {
  const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
  return /^\d+$/.test(name) ? Number(name) : name;
}
