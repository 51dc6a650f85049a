import { describe, expect, test } from 'bun:test'
import type { MessageRow } from '../messaging/analytics/read-messages.ts'
import { entriesOfMessages } from './entries-of-messages.ts'

const second = 1_000
const start = Date.UTC(2026, 2, 27, 9, 50)
const at = (seconds: number) => new Date(start + seconds * second)

const [tenant_id, conversation_id, id, bot_id] = ['t', 'c', 'm', 'b'].map(
  letter => `00000000-0000-7000-8000-0000000000${letter.charCodeAt(0).toString(16)}`,
) as [string, string, string, string]

const none = { reply_to_at: null, sent_at: null, delivered_at: null, read_at: null, failed_at: null, unknown_at: null }

function row(more: Partial<MessageRow>): MessageRow {
  return {
    ...{ tx: 1, tenant_id, conversation_id, id, bot_id, provider: 'meta', direction: 'outbound', content_type: 'text' },
    ...{ source: null, status: 'queued', code: null, created_at: at(0), provider_at: null, opened_at: at(-3_600) },
    ...none,
    ...more,
  }
}

/** Type, time in seconds, key, value, bucket of each entry. */
function told(more: Partial<MessageRow>): readonly unknown[] {
  return entriesOfMessages([row(more)]).message_logs.map(entry => [
    entry.log_type,
    (entry.created_at.getTime() - start) / second,
    entry.key,
    entry.value,
    entry.bucket,
  ])
}

describe('a message of a customer', () => {
  const inbound = { direction: 'inbound', status: 'received' }

  test('is told at the time when it was written, with the quarter of that hour', () => {
    expect(told({ ...inbound, provider_at: at(-2) })).toEqual([['inbound', -2, 'meta', null, 3]])
    expect(told({ ...inbound, provider_at: at(-50 * 60) })).toEqual([['inbound', -50 * 60, 'meta', null, 0]])
  })

  test('is told at the time when it came, where its clock is ahead, or more than a week behind', () => {
    for (const provider_at of [null, at(5), at(-8 * 86_400)])
      expect(told({ ...inbound, provider_at })).toEqual([['inbound', 0, 'meta', null, 3]])
    expect(told({ ...inbound, provider_at: at(-6 * 86_400) })).toEqual([['inbound', -6 * 86_400, 'meta', null, 3]])
  })

  test('opens the conversation that was made with it, and no other', () => {
    const opened = (opened_at: Date | null) =>
      entriesOfMessages([row({ ...inbound, opened_at })]).analytics_events.map(
        ({ id, log_type, created_at, data }) => ({
          ...{ id, log_type, created_at, data },
        }),
      )
    const entry = { id: `${conversation_id}:opened`, log_type: 'conversation.opened', data: { by: 'customer' } }
    expect(opened(at(0))).toEqual([{ ...entry, created_at: at(0) }])
    // It was moved from a conversation that was closed before its turn.
    expect(opened(at(1))).toEqual([{ ...entry, created_at: at(1) }])
    expect(opened(at(-1))).toEqual([])
    expect(opened(null)).toEqual([])
  })

  test('that no turn could take is no failed send', () => {
    expect(told({ ...inbound, status: 'failed', code: 'turn_failed' })).toEqual([['inbound', 0, 'meta', null, 3]])
  })
})

describe('a message of the business', () => {
  test('that waits to be sent tells nothing', () => {
    expect(told({})).toEqual([])
  })

  test('that was accepted has the time since the customer wrote, where it is the answer', () => {
    expect(told({ status: 'sent', sent_at: at(2) })).toEqual([['accepted', 2, 'meta', null, null]])
    expect(told({ status: 'sent', sent_at: at(2.4), reply_to_at: at(0) })).toEqual([
      ['accepted', 2.4, 'meta', 2_400, 5],
    ])
    // The provider's clock is ahead of ours.
    expect(told({ status: 'sent', sent_at: at(2), reply_to_at: at(3) })).toEqual([['accepted', 2, 'meta', 0, 0]])
  })

  test('tells each status that it had, once, however late it is looked at', () => {
    const times = { sent_at: at(1), delivered_at: at(3), read_at: at(60) }
    expect(told({ status: 'read', ...times })).toEqual([
      ['accepted', 1, 'meta', null, null],
      ['delivered', 3, 'meta', null, null],
      ['read', 60, 'meta', null, null],
    ])
    const ids = (more: Partial<MessageRow>) => entriesOfMessages([row(more)]).message_logs.map(entry => entry.id)
    expect(ids({ status: 'sent', sent_at: at(1) })).toEqual(ids({ status: 'read', ...times }).slice(0, 1))
  })

  test('is never told of before it was written, though the provider counts whole seconds', () => {
    expect(told({ status: 'delivered', sent_at: at(0.5), delivered_at: at(-0.7) })).toEqual([
      ['accepted', 0.5, 'meta', null, null],
      ['delivered', 0, 'meta', null, null],
    ])
  })

  test('that failed has the code, also after it was accepted', () => {
    expect(told({ status: 'failed', sent_at: at(1), failed_at: at(4), code: '131047' })).toEqual([
      ['accepted', 1, 'meta', null, null],
      ['failed', 4, 'meta 131047', null, null],
    ])
  })

  test('of which nothing was heard is told of as unknown, also once it turned out', () => {
    expect(told({ status: 'unknown', unknown_at: at(30) })).toEqual([['unknown', 30, 'meta', null, null]])
    expect(told({ status: 'sent', unknown_at: at(30), sent_at: at(40) }).map(one => (one as string[])[0])).toEqual([
      'accepted',
      'unknown',
    ])
  })

  test('from before the times of statuses were noted is told at the time when it was written', () => {
    expect(told({ status: 'read', provider_at: at(9) })).toEqual(
      ['accepted', 'delivered', 'read'].map(type => [type, 0, 'meta', null, null]),
    )
  })

  test('that was written on the phone is told at the phone’s time', () => {
    expect(told({ source: 'phone', status: 'sent', sent_at: at(-20) })).toEqual([['accepted', -20, 'meta', null, null]])
  })
})

test('an entry says who wrote it, of what type, and nothing of what is in it', () => {
  const [entry] = entriesOfMessages([row({ status: 'sent', sent_at: at(1), source: 'agent' })]).message_logs
  expect(entry).toEqual({
    ...{ id: `${id}:accepted`, tenant_id, bot_id, conversation_id, created_at: at(1), log_type: 'accepted' },
    ...{ key: 'meta', value: null, bucket: null },
    data: { message_id: id, provider: 'meta', content_type: 'text', source: 'agent' },
  })
})

test('a bot that is gone leaves the provider open', () => {
  expect(told({ provider: null, status: 'failed', failed_at: at(1), code: 'bot_deleted' })).toEqual([
    ['failed', 1, 'bot_deleted', null, null],
  ])
})
