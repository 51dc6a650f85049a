import type { SQL } from 'bun'
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

/**
 * The same of a turn alone: one row out of the queue, its message read, four events, one message to send, one state; fifty
 * turns a transaction. The tables have no index but their keys.
 */
export async function turnFloor(connection: PostgresConnection, postmaster: number): Promise<Floor> {
  const sql = connect(connection, parallel)
  await sql
    .unsafe(`
    create schema turn_floor;
    create table turn_floor.states (tenant uuid, id uuid, seq int, state jsonb, primary key (tenant, id));
    create table turn_floor.messages (tenant uuid, conversation uuid, id uuid, content jsonb, primary key (tenant, conversation, id));
    create table turn_floor.queue (tenant uuid, conversation uuid, id uuid, primary key (id));
    create index on turn_floor.queue (conversation);
    create table turn_floor.events (tenant uuid, id uuid, seq int, type text, data jsonb, primary key (tenant, id, seq));
    create table turn_floor.outbox (tenant uuid, conversation uuid, id uuid, primary key (id));`)
    .simple()
  const tenant = crypto.randomUUID()
  const conversations = Array.from({ length: 2_000 }, () => crypto.randomUUID())
  await sql`insert into turn_floor.states select ${tenant}, id, 0, '{}' from unnest(${`{${conversations}}`}::uuid[]) as id`
  const rounds: Floor[] = []
  for (let round = 0; round < messages / conversations.length; round++) {
    await sql`with m as (
        insert into turn_floor.messages select tenant, id, uuidv7(), '{"type":"text","text":"hello"}'
        from turn_floor.states returning *)
      insert into turn_floor.queue select tenant, conversation, id from m`
    const batches = Array.from({ length: conversations.length / batch }, (_, index) =>
      conversations.slice(index * batch, (index + 1) * batch).sort(),
    )
    const one = async () => {
      for (let mine = batches.pop(); mine !== undefined; mine = batches.pop()) await playFloor(sql, tenant, mine)
    }
    rounds.push(
      await measureFloor(postmaster, conversations.length, () => Promise.all(Array.from({ length: parallel }, one))),
    )
  }
  await sql.unsafe('drop schema turn_floor cascade')
  await sql.close()
  return meanOf(rounds)
}

async function playFloor(sql: SQL, tenant: string, conversations: readonly string[]): Promise<void> {
  const ids = `{${conversations}}`
  await sql.begin(async tx => {
    await tx`select id, seq, state from turn_floor.states where tenant = ${tenant} and id = any (${ids}::uuid[])
      order by id for no key update skip locked`
    const mail = await tx`select q.id, m.content from unnest(${ids}::uuid[]) as g (id)
      join turn_floor.queue q on q.conversation = g.id
      join turn_floor.messages m on m.tenant = q.tenant and m.conversation = q.conversation and m.id = q.id`
    const done = `{${mail.map((row: { id: string }) => row.id)}}`
    await Promise.all([
      tx`insert into turn_floor.events select ${tenant}, s.id, s.seq + n, 'replied', '{"step":"ask"}'
        from turn_floor.states s, generate_series(1, 4) as n where s.tenant = ${tenant} and s.id = any (${ids}::uuid[])`,
      tx`with m as (
          insert into turn_floor.messages select ${tenant}, id, uuidv7(), '{"type":"text","text":"hello"}'
          from unnest(${ids}::uuid[]) as id returning *)
        insert into turn_floor.outbox select tenant, conversation, id from m`,
      tx`delete from turn_floor.queue where id = any (${done}::uuid[])`,
      tx`update turn_floor.states set seq = seq + 4, state = '{"step":"ask"}'
        where tenant = ${tenant} and id = any (${ids}::uuid[])`,
    ])
  })
}

async function measureFloor(postmaster: number, units: number, work: () => Promise<unknown>): Promise<Floor> {
  const [server, client, start] = [postgresCpuSeconds(postmaster), process.cpuUsage(), performance.now()]
  await work()
  const seconds = (performance.now() - start) / 1_000
  const { user, system } = process.cpuUsage(client)
  return {
    clientMicros: (user + system) / units,
    databaseMicros: ((postgresCpuSeconds(postmaster) - server) * 1e6) / units,
    perSecond: units / seconds,
  }
}

function meanOf(floors: readonly Floor[]): Floor {
  const mean = (of: (floor: Floor) => number) =>
    Math.round(floors.reduce((sum, floor) => sum + of(floor), 0) / floors.length)
  return {
    clientMicros: mean(floor => floor.clientMicros),
    databaseMicros: mean(floor => floor.databaseMicros),
    perSecond: mean(floor => floor.perSecond),
  }
}
