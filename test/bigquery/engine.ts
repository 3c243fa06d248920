/** The tables behind the local server: DuckDB, a schema for each dataset. */
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBTimestampTZValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
  type JS,
} from '@duckdb/node-api';
import { Turn } from '#assay/warehouse/turn.js';

export interface Field {
  name: string;
  type: string;
  mode: 'NULLABLE' | 'REPEATED';
  fields?: Field[];
}

export interface Result {
  fields: Field[];
  rows: JS[][];
}

/** A value of a row that is appended; times are microseconds. */
export type Cell = string | bigint | null;

const CHUNK_ROWS = 2048;

export class Engine {
  private readonly writes = new Turn();

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly writer: DuckDBConnection,
    private readonly reader: DuckDBConnection,
  ) {}

  static async open(): Promise<Engine> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' });
    const connect = async () => {
      const connection = await instance.connect();
      await connection.run(`SET TimeZone = 'UTC'`);
      await connection.run(`SET default_null_order = 'nulls_first_on_asc_last_on_desc'`);
      return connection;
    };
    return new Engine(instance, await connect(), await connect());
  }

  run(text: string, parameters: Record<string, DuckDBValue> = {}): Promise<Result> {
    if (/^\s*SELECT/i.test(text)) return read(this.reader, text, parameters);
    return this.writes.run(() => read(this.writer, text, parameters));
  }

  async tables(dataset: string): Promise<string[]> {
    const { rows } = await this.run(
      'SELECT table_name FROM information_schema.tables WHERE table_schema = $dataset ORDER BY 1',
      { dataset },
    );
    return rows.map(([name]) => name as string);
  }

  /** Rows by the names of their columns; a column that a row does not name is NULL. */
  append(dataset: string, table: string, rows: readonly Record<string, Cell>[]): Promise<void> {
    return this.writes.run(async () => {
      const columns = await read(this.writer, `SELECT * FROM "${dataset}"."${table}" LIMIT 0`, {});
      const types = await columnTypes(this.writer, dataset, table);
      const appender = await this.writer.createAppender(table, dataset);
      for (let from = 0; from < rows.length; from += CHUNK_ROWS) {
        const part = rows.slice(from, from + CHUNK_ROWS);
        const chunk = DuckDBDataChunk.create(types, part.length);
        chunk.setColumns(
          columns.fields.map(({ name, type }) => part.map((row) => valueOf(row[name] ?? null, type))),
        );
        appender.appendDataChunk(chunk);
      }
      appender.closeSync();
    });
  }

  close(): void {
    this.writer.closeSync();
    this.reader.closeSync();
    this.instance.closeSync();
  }
}

function valueOf(cell: Cell, type: string): DuckDBValue {
  if (cell === null || typeof cell === 'string') return cell;
  return type === 'TIMESTAMP' ? new DuckDBTimestampTZValue(cell) : cell;
}

async function columnTypes(connection: DuckDBConnection, dataset: string, table: string) {
  const reader = await connection.runAndReadAll(`SELECT * FROM "${dataset}"."${table}" LIMIT 0`);
  return reader.columnTypes();
}

async function read(
  connection: DuckDBConnection,
  text: string,
  parameters: Record<string, DuckDBValue>,
): Promise<Result> {
  const reader = await connection.runAndReadAll(text, parameters);
  const types = reader.columnTypes();
  const fields = reader.columnNames().map((name, index) => fieldOf(name, types[index] as DuckDBType));
  return { fields, rows: reader.getRowsJS() };
}

const SCALARS: Partial<Record<DuckDBTypeId, string>> = {
  [DuckDBTypeId.BOOLEAN]: 'BOOLEAN',
  [DuckDBTypeId.TINYINT]: 'INTEGER',
  [DuckDBTypeId.INTEGER]: 'INTEGER',
  [DuckDBTypeId.UINTEGER]: 'INTEGER',
  [DuckDBTypeId.BIGINT]: 'INTEGER',
  [DuckDBTypeId.UBIGINT]: 'INTEGER',
  [DuckDBTypeId.HUGEINT]: 'INTEGER',
  [DuckDBTypeId.DOUBLE]: 'FLOAT',
  [DuckDBTypeId.VARCHAR]: 'STRING',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'TIMESTAMP',
};

function fieldOf(name: string, type: DuckDBType): Field {
  if (type.typeId === DuckDBTypeId.LIST) {
    return { ...fieldOf(name, (type as { valueType: DuckDBType } & DuckDBType).valueType), mode: 'REPEATED' };
  }
  if (type.typeId === DuckDBTypeId.STRUCT) {
    const { entryNames, entryTypes } = type as DuckDBType & {
      entryNames: string[];
      entryTypes: DuckDBType[];
    };
    const fields = entryNames.map((entry, index) => fieldOf(entry, entryTypes[index] as DuckDBType));
    return { name, type: 'RECORD', mode: 'NULLABLE', fields };
  }
  const scalar = SCALARS[type.typeId];
  if (scalar === undefined)
    throw new Error(`${name} is of the type ${type.toString()}, which is not known here`);
  return { name, type: scalar, mode: 'NULLABLE' };
}
