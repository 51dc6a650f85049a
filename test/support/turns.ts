import type { SQL } from 'bun'
import { actions } from '../../src/commerce/actions/actions.ts'
import type { InboundContent } from '../../src/flow/content.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { uuids } from '../../src/lib/ids.ts'
import { makeMetrics } from '../../src/lib/metrics.ts'
import { type InboundMessage, receiveMessages } from '../../src/messaging/receive-messages.ts'
import { makeTurnRunner, type TurnRunner } from '../../src/orchestrator/run-turns.ts'
import { makeFeed } from '../../src/stores/feed.ts'
import { makeMemoryBus } from '../../src/stores/memory/bus.ts'
import { makeMemoryGate } from '../../src/stores/memory/request-gate.ts'
import { makeMemorySnapshots } from '../../src/stores/memory/state-snapshots.ts'
import { connect, type Database, openDatabase } from '../../src/stores/postgres/database.ts'
import type { StateSnapshots } from '../../src/stores/state-snapshots.ts'
import { makeTestLog } from './log.ts'
import { createTestDatabase } from './postgres.ts'
import { sealer } from './seed.ts'

/** Messages that are stored in one transaction. */
const receivedMax = 500

type BotKey = { readonly tenantId: string; readonly botId: string }

/** Turns alone: mail is put in, batches are run, and nothing is sent. */
export type TestTurns = {
  readonly database: Database
  /** Owns the database: sees everything. */
  readonly admin: SQL
  /** Another runner, as another process has it. */
  runner(options?: { readonly snapshots?: StateSnapshots; readonly batchMax?: number }): TurnRunner
  /** A customer writes to a bot. Returns the conversation's id. */
  say(bot: BotKey, phone: string, content: InboundContent): Promise<string>
  /** Many customers write to a bot, one message each. */
  sayMany(bot: BotKey, phones: { readonly from: number; readonly count: number }): Promise<void>
  close(): Promise<void>
}

export async function openTestTurns(): Promise<TestTurns> {
  const created = await createTestDatabase()
  const admin = connect(created.connection, 2)
  const database = openDatabase(created.connection, makeMetrics())
  const bus = makeMemoryBus()
  const log = makeTestLog()
  const feed = makeFeed({ bus, gate: makeMemoryGate(systemClock), log })
  const runners: TurnRunner[] = []
  return {
    ...{ database, admin },
    runner({ snapshots = makeMemorySnapshots(systemClock), ...rest } = {}) {
      const parts = { database, bus, feed, log, clock: systemClock, ids: uuids, metrics: makeMetrics(), actions }
      const runner = makeTurnRunner({ ...parts, snapshots, ...rest })
      runners.push(runner)
      return runner
    },
    async say(bot, phone, content) {
      const { stored } = await receiveMessages(database, uuids, [messageOf(bot, phone, content)], sealer)
      return stored[0]?.conversationId ?? ''
    },
    async sayMany(bot, { from, count }) {
      const messages = Array.from({ length: count }, (_, index) =>
        messageOf(bot, `+34600${String(from + index).padStart(6, '0')}`, { type: 'text', text: 'hello' }),
      )
      for (let index = 0; index < count; index += receivedMax)
        await receiveMessages(database, uuids, messages.slice(index, index + receivedMax), sealer)
    },
    async close() {
      for (const runner of runners) runner.close()
      await database.close()
      await admin.close()
      await created.drop()
    },
  }
}

function messageOf({ tenantId, botId }: BotKey, phone: string, content: InboundContent): InboundMessage {
  const sender = { identities: [{ kind: 'phone', value: phone }], name: 'Ada' } as const
  return { tenantId, botId, providerMessageId: `wamid.${crypto.randomUUID()}`, sender, content, at: new Date() }
}

/** Runs batches until there is no mail. */
export async function drain(runner: TurnRunner): Promise<void> {
  while ((await runner.runBatch()) > 0);
}
