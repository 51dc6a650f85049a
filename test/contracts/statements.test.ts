import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, type Connection } from 'pg'
import { type ColumnType, statements, typeOf } from '../../src/stores/postgres/statement.ts'
import { createTestDatabase } from '../support/postgres.ts'

// Every SQL statement of the program is prepared against the migrated database, and the row that it declares held
// against the columns that the database says it returns: what a compiler would check.

const src = join(import.meta.dirname, '../../src')
const files = [...new Bun.Glob('**/*.ts').scanSync(src)].filter(
  file => !file.endsWith('.test.ts') && readFileSync(join(src, file), 'utf8').includes('statement({'),
)
for (const file of files) await import(join(src, file))

/** PostgreSQL's type ids (pg_type.oid), which never change. */
const typeIds: Readonly<Record<ColumnType, number>> = {
  uuid: 2950,
  text: 25,
  bool: 16,
  int4: 23,
  int8: 20,
  float8: 701,
  timestamptz: 1184,
  bytea: 17,
  jsonb: 3802,
}

let database: Awaited<ReturnType<typeof createTestDatabase>>
let client: Client

beforeAll(async () => {
  database = await createTestDatabase()
  client = new Client(database.connection)
  await client.connect()
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

type Field = { readonly name: string; readonly dataTypeID: number }

/** Parses a statement and asks for its columns, without running it: the two messages of the protocol for that. */
function describe(sql: string): Promise<readonly Field[]> {
  return new Promise((resolve, reject) => {
    let fields: readonly Field[] = []
    client.query({
      submit(connection: Connection) {
        connection.parse({ name: '', text: sql, types: [] }, true)
        connection.describe({ type: 'S', name: '' }, true)
        connection.sync()
      },
      handleParseComplete: () => undefined,
      handleRowDescription(message: { fields: readonly Field[] }) {
        fields = message.fields
      },
      handleError: reject,
      handleReadyForQuery: () => resolve(fields),
    })
  })
}

test('there are statements to check, each with a name of its own', () => {
  expect(files.length).toBeGreaterThan(10)
  expect(statements.length).toBeGreaterThan(40)
  const names = statements.map(statement => statement.name)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

for (const statement of statements)
  test(`${statement.name} fits the database`, async () => {
    const fields = await describe(statement.sql)
    const declared = Object.entries(statement.row).map(([name, column]) => [name, typeIds[typeOf(column)]])
    expect(Object.fromEntries(fields.map(field => [field.name, field.dataTypeID]))).toEqual(
      Object.fromEntries(declared),
    )
    const parameters = new Set(statement.sql.match(/\$\d+/g) ?? [])
    expect(parameters.size).toBe(statement.params.length)
  })
