/**
 * A resolved statement as ZetaSQL hands it out, made easy to walk through: each node with its kind, the fields of
 * the classes it inherits from beside its own.
 */
import type { SqlType } from './values.js';

export interface Node {
  /** Name of its class, `TableScan`; null for parts that are always of one class. */
  kind: string | null;
  fields: Record<string, unknown>;
}

/** A column as the analyser numbers it: the same number is the same column. */
export interface ResolvedColumn {
  columnId: string;
  tableName: string;
  name: string;
  type: SqlType;
}

/** Each part of an answer is looked at by every rule: made once. */
const nodes = new WeakMap<object, Node>();
const descendants = new WeakMap<Node, readonly Node[]>();

/** Any part of an answer of `Analyze`. */
export function nodeOf(wire: object, kind: string | null = null): Node {
  const known = nodes.get(wire);
  if (known !== undefined) return known;
  const { node, parent, ...own } = wire as Record<string, unknown> & { node?: unknown; parent?: unknown };
  const inner = typeof node === 'string' ? own[node] : undefined;
  const made =
    isObject(inner) && typeof node === 'string'
      ? nodeOf(inner, node.replace(/^resolved(.*)Node$/, '$1'))
      : { kind, fields: { ...(isObject(parent) ? nodeOf(parent).fields : {}), ...own } };
  nodes.set(wire, made);
  return made;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A field that is a node or a list of nodes. */
export function children(node: Node, field: string): Node[] {
  const value = node.fields[field];
  if (Array.isArray(value)) return value.filter(isObject).map((one) => nodeOf(one));
  return isObject(value) ? [nodeOf(value)] : [];
}

export function child(node: Node, field: string): Node | undefined {
  return children(node, field)[0];
}

/** The node and all that is under it, each before its children. */
export function within(node: Node): readonly Node[] {
  const known = descendants.get(node);
  if (known !== undefined) return known;
  const below = Object.keys(node.fields)
    .filter((field) => field !== 'type' && field !== 'signature')
    .flatMap((field) => children(node, field).flatMap(within));
  const all = [node, ...below];
  descendants.set(node, all);
  return all;
}

export function ofKind(node: Node, kind: string): Node[] {
  return within(node).filter((one) => one.kind === kind);
}

/** Name of the function that is called, as one writes it; operators have a `$` in front: `$and`. */
export function functionOf(call: Node): string {
  return ((call.fields.function as { name?: string } | undefined)?.name ?? '').replace(/^ZetaSQL:/, '');
}

export const isCall = (node: Node, name?: string): boolean =>
  /FunctionCall$/.test(node.kind ?? '') && (name === undefined || functionOf(node) === name);

/** The conditions that must all hold for this one to hold. */
export function conjuncts(condition: Node): Node[] {
  if (!isCall(condition, '$and')) return [condition];
  return children(condition, 'argumentList').flatMap(conjuncts);
}
