import { expect, test } from 'bun:test'
import { type Fault, FaultQueue, parseFault } from './faults.ts'
import { metaRates, Throttle } from './throttle.ts'

const read: [string, Fault][] = [
  ['429:3', { kind: '429', code: 4, count: 3 }],
  ['429:2:130429', { kind: '429', code: 130429, count: 2 }],
  ['500', { kind: '500', count: 1 }],
  ['reset:1:accepted', { kind: 'reset', accepted: true, count: 1 }],
  ['slow:800', { kind: 'slow', ms: 800, count: 1 }],
  ['duplicate', { kind: 'duplicate', copies: 2 }],
  ['delay:500@10', { kind: 'delay', ms: 500, number: '10' }],
  ['reorder:1', { kind: 'reorder', count: 1 }],
]

test.each(read)('%s is read', (written, fault) => {
  expect(parseFault(written)).toEqual(fault)
})

test.each(['flood', '500:x', '500:1:2', 'slow', '500:0', 'duplicate:1', '429:1:5', '500@a@b'])(
  '%s is refused, with what it takes',
  written => {
    expect(() => parseFault(written)).toThrow(/takes .*429|takes .*\[:/)
  },
)

test('faults of sends are used up in order, one for each send; webhook faults without a count stay', () => {
  const faults = new FaultQueue(['429:2', '500', 'duplicate'].map(parseFault))
  expect([1, 2, 3, 4].map(() => faults.takeSend('1')?.kind ?? null)).toEqual(['429', '429', '500', null])
  expect([1, 2].map(() => faults.takeWebhook('duplicate', '1')?.kind)).toEqual(['duplicate', 'duplicate'])
  expect(faults.takeWebhook('delay', '1')).toBeNull()
})

test('Meta’s rates: 80 a second for a number, and for a pair 45 at once and then one each 6 seconds', () => {
  let now = 0
  const throttle = new Throttle(metaRates, () => now)
  const admitted = (count: number, customer: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => throttle.admit('1', customer(at))).filter(each => each === 'admitted')
      .length
  expect(admitted(100, at => `c${at}`)).toBe(80)
  now += 1_000
  expect(admitted(60, () => 'pair')).toBe(45)
  now += 1_000
  expect(throttle.admit('1', 'pair')).toBe('over_pair_rate')
  now += 5_000
  expect(admitted(2, () => 'pair')).toBe(1)
})

test('what customers write counts for the throughput of the number', () => {
  const throttle = new Throttle({ throughput: { per_second: 2 }, pair: 'off' }, () => 0)
  throttle.countInbound('1')
  expect([throttle.admit('1', 'a'), throttle.admit('1', 'a')]).toEqual(['admitted', 'over_throughput'])
})
