import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { climb, type MessageStatus, type ReportedStatus } from './status.ts'

const reports = fc.array(fc.constantFrom<ReportedStatus>('sent', 'delivered', 'read', 'failed'), { maxLength: 12 })
const order: readonly MessageStatus[] = ['queued', 'unknown', 'sent', 'delivered', 'read']

test('whatever comes, in whatever order, statuses only climb, and a message fails only before it is delivered', () => {
  fc.assert(
    fc.property(fc.constantFrom<MessageStatus>('queued', 'unknown', 'sent'), reports, (first, reported) => {
      let status = first
      for (const report of reported) {
        const next = climb(status, report)
        if (next === 'failed') expect(['queued', 'unknown', 'sent', 'failed']).toContain(status)
        else expect(order.indexOf(next)).toBeGreaterThanOrEqual(order.indexOf(status))
        if (status === 'failed') expect(next).toBe('failed')
        status = next
      }
    }),
  )
})

test('reports of a message that arrived end the same in any order', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray<ReportedStatus>(['sent', 'delivered', 'read'], { minLength: 1 }), reported => {
      const highest = order[Math.max(...reported.map(report => order.indexOf(report)))]
      expect(reported.reduce(climb, 'queued' as MessageStatus)).toBe(highest ?? 'queued')
    }),
  )
})

test("a customer's own message has no delivery status", () => {
  expect(climb('received', 'read')).toBe('received')
  expect(climb('received', 'failed')).toBe('received')
})
