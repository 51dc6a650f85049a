import { connect } from '../../src/stores/postgres/database.ts'
import type { PostgresConnection } from '../../src/stores/postgres/embedded.ts'
import { postgresCpuSeconds } from './cpu.ts'

/** CPU µs for one unit of work, ours and PostgreSQL's. */
export type Floor = { readonly clientMicros: number; readonly databaseMicros: number; readonly perSecond: number }

const messages = 20_000
const batch = 50
const parallel = 4

/**
 * What the database alone costs, without any of our code: for each message one dedup insert, one row in and out of a
 * queue, three events, one outbox row in and out, one versioned state; fifty messages a transaction, through `unnest`.
 */
export async function databaseFloor(connection: PostgresConnection, postmaster: number): Promise<Floor> {
  const sql = connect(connection, parallel)
  await sql
    .unsafe(`
    create schema floor;
    create table floor.messages (tenant uuid, id uuid, provider_id text, content jsonb, primary key (tenant, id), unique (tenant, provider_id));
    create table floor.queue (tenant uuid, id uuid, primary key (tenant, id));
    create table floor.events (tenant uuid, id uuid, seq int, type text, data jsonb, primary key (tenant, id, seq));
    create table floor.outbox (tenant uuid, id uuid, content jsonb, primary key (tenant, id));
    create table floor.states (tenant uuid, id uuid, seq int, state jsonb, primary key (tenant, id));`)
    .simple()
  const tenant = crypto.randomUUID()
  const states = Array.from({ length: 2_000 }, () => crypto.randomUUID())
  await sql`insert into floor.states select ${tenant}, id, 0, '{}' from unnest(${`{${states}}`}::uuid[]) as id`
  let left = messages
  let turn = 0
  const one = async () => {
    while (left > 0) {
      left -= batch
      const ids = `{${Array.from({ length: batch }, () => Bun.randomUUIDv7())}}`
      const from = (turn++ * batch) % states.length
      const mine = `{${states.slice(from, from + batch).sort()}}`
      await sql.begin(async tx => {
        await tx`insert into floor.messages select ${tenant}, id, id::text, '{"type":"text","text":"hello"}'
          from unnest(${ids}::uuid[]) as id on conflict do nothing`
        await tx`insert into floor.queue select ${tenant}, id from unnest(${ids}::uuid[]) as id`
      })
      await sql.begin(async tx => {
        await tx`select id, state from floor.states where tenant = ${tenant} and id = any (${mine}::uuid[]) order by id for update`
        await Promise.all([
          tx`insert into floor.events select ${tenant}, id, n, 'replied', '{"step":"ask"}' from unnest(${ids}::uuid[]) as id, generate_series(1, 3) as n`,
          tx`insert into floor.outbox select ${tenant}, id, '{"type":"text","text":"hello"}' from unnest(${ids}::uuid[]) as id`,
          tx`delete from floor.queue where tenant = ${tenant} and id = any (${ids}::uuid[])`,
          tx`update floor.states set seq = seq + 3, state = '{"step":"ask"}' where tenant = ${tenant} and id = any (${mine}::uuid[])`,
        ])
      })
      await sql`delete from floor.outbox where tenant = ${tenant} and id = any (${ids}::uuid[])`
    }
  }
  const [client, server, start] = [process.cpuUsage(), postgresCpuSeconds(postmaster), performance.now()]
  await Promise.all(Array.from({ length: parallel }, one))
  const seconds = (performance.now() - start) / 1_000
  const used = process.cpuUsage(client)
  const floor = {
    clientMicros: Math.round((used.user + used.system) / messages),
    databaseMicros: Math.round(((postgresCpuSeconds(postmaster) - server) * 1e6) / messages),
    perSecond: Math.round(messages / seconds),
  }
  await sql.unsafe('drop schema floor cascade')
  await sql.close()
  return floor
}
