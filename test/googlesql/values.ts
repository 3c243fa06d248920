/** Types and values of GoogleSQL as ZetaSQL sends them, and as the service sees them. */

export interface SqlType {
  typeKind: string;
  arrayType?: { elementType: SqlType };
  structType?: { field: { fieldName: string; fieldType: SqlType }[] };
}

export interface Column {
  name: string;
  type: SqlType;
}

/** As the service reads it: numbers, milliseconds for timestamps, lists and objects. */
export type Value = string | number | boolean | null | Value[] | { [field: string]: Value };

export type Row = Record<string, Value>;

/** A value on the wire: the one field that is set says which; none is NULL. */
export interface WireValue {
  int64Value?: string;
  doubleValue?: number;
  boolValue?: boolean;
  stringValue?: string;
  jsonValue?: string;
  timestampValue?: { seconds: string; nanos?: number };
  arrayValue?: { element?: WireValue[] };
  structValue?: { field?: WireValue[] };
}

const NAMES: Record<string, string> = {
  TYPE_INT64: 'INT64',
  TYPE_DOUBLE: 'FLOAT64',
  TYPE_BOOL: 'BOOL',
  TYPE_STRING: 'STRING',
  TYPE_TIMESTAMP: 'TIMESTAMP',
  TYPE_JSON: 'JSON',
};

/** A scalar type by its name in GoogleSQL. */
export function scalar(name: string): SqlType {
  const found = Object.entries(NAMES).find(([, known]) => known === name);
  if (found === undefined) throw new Error(`no type of the warehouse: ${name}`);
  return { typeKind: found[0] };
}

/** The type as one writes it. */
export function typeName({ typeKind, arrayType, structType }: SqlType): string {
  if (arrayType !== undefined) return `ARRAY<${typeName(arrayType.elementType)}>`;
  if (structType !== undefined) {
    const fields = structType.field.map(({ fieldName, fieldType }) => `${fieldName} ${typeName(fieldType)}`);
    return `STRUCT<${fields.join(', ')}>`;
  }
  return NAMES[typeKind] ?? typeKind.replace('TYPE_', '');
}

export function toWire(value: Value | undefined, type: SqlType): WireValue {
  if (value === null || value === undefined) return {};
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  switch (typeName(type).replace(/<.*/, '')) {
    case 'INT64':
      return { int64Value: text };
    case 'FLOAT64':
      return { doubleValue: Number(value) };
    case 'BOOL':
      return { boolValue: value === true };
    case 'STRING':
      return { stringValue: text };
    case 'JSON':
      return { jsonValue: text };
    case 'TIMESTAMP':
      return { timestampValue: timestamp(Number(value)) };
    case 'ARRAY': {
      const element = type.arrayType?.elementType as SqlType;
      return { arrayValue: { element: (value as Value[]).map((one) => toWire(one, element)) } };
    }
    case 'STRUCT': {
      const struct = value as Record<string, Value>;
      const fields = type.structType?.field ?? [];
      return {
        structValue: {
          field: fields.map(({ fieldName, fieldType }) => toWire(struct[fieldName], fieldType)),
        },
      };
    }
    default:
      throw new Error(`a value of type ${typeName(type)} cannot be sent`);
  }
}

function timestamp(millis: number) {
  const seconds = Math.floor(millis / 1000);
  return { seconds: String(seconds), nanos: (millis - seconds * 1000) * 1e6 };
}

export function fromWire(wire: WireValue, type: SqlType): Value {
  if (wire.int64Value !== undefined) return whole(wire.int64Value);
  if (wire.doubleValue !== undefined) return wire.doubleValue;
  if (wire.boolValue !== undefined) return wire.boolValue;
  if (wire.stringValue !== undefined) return wire.stringValue;
  if (wire.jsonValue !== undefined) return wire.jsonValue;
  if (wire.timestampValue !== undefined) return millisOf(wire.timestampValue);
  if (wire.arrayValue !== undefined) {
    const element = type.arrayType?.elementType as SqlType;
    return (wire.arrayValue.element ?? []).map((one) => fromWire(one, element));
  }
  if (wire.structValue !== undefined) {
    const fields = type.structType?.field ?? [];
    const values = wire.structValue.field ?? [];
    return Object.fromEntries(
      fields.map(({ fieldName, fieldType }, at) => [fieldName, fromWire(values[at] ?? {}, fieldType)]),
    );
  }
  if (Object.keys(wire).length > 0) throw new Error(`a value of type ${typeName(type)} cannot be read`);
  return null;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${text} is no integer that JavaScript can hold`);
  return value;
}

function millisOf({ seconds, nanos = 0 }: { seconds: string; nanos?: number }): number {
  if (nanos % 1e6 !== 0) throw new Error(`a timestamp with ${nanos} ns is not one of whole milliseconds`);
  return Number(seconds) * 1000 + nanos / 1e6;
}
