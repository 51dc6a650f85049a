import { expect, test } from 'bun:test'
import { duePeriods, endOfDay, endsOn, periodBefore, periodOf, startsOn } from './report-periods.ts'

const hourMs = 3_600_000
const spanOf = (kind: 'daily' | 'weekly', timeZone: string, [year, month, day]: readonly [number, number, number]) => {
  const { from, to } = periodOf(kind, timeZone, { year, month, day })
  return [from.toISOString(), to.toISOString(), (to.getTime() - from.getTime()) / hourMs]
}

test('a day and a week are those of the clock on the wall', () => {
  expect(spanOf('daily', 'America/Bogota', [2026, 3, 10])).toEqual([
    ...['2026-03-10T05:00:00.000Z', '2026-03-11T05:00:00.000Z', 24],
  ])
  expect(spanOf('weekly', 'Asia/Kolkata', [2026, 3, 9])).toEqual([
    ...['2026-03-08T18:30:00.000Z', '2026-03-15T18:30:00.000Z', 168],
  ])
})

test('a day on which the clocks change has 23 or 25 hours, and so has its week', () => {
  expect(spanOf('daily', 'Europe/Madrid', [2026, 3, 29])).toEqual([
    ...['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z', 23],
  ])
  expect(spanOf('daily', 'Europe/Madrid', [2026, 10, 25])).toEqual([
    ...['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z', 25],
  ])
  expect(spanOf('weekly', 'Europe/Madrid', [2026, 10, 19])[2]).toBe(169)
  // Lord Howe Island moves its clocks by half an hour.
  expect(spanOf('daily', 'Australia/Lord_Howe', [2026, 4, 5])[2]).toBe(24.5)
})

test('a day whose midnight the clocks skip begins after the gap, where the day before it ends', () => {
  // In Cairo 2026-04-24 begins at one o'clock.
  expect(spanOf('daily', 'Africa/Cairo', [2026, 4, 24])).toEqual([
    ...['2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z', 23],
  ])
  expect(spanOf('daily', 'Africa/Cairo', [2026, 4, 23])[1]).toBe('2026-04-23T22:00:00.000Z')
})

test('days follow each other without a gap, all year, whatever the clocks do', () => {
  for (const timeZone of ['Europe/Madrid', 'Africa/Cairo', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Kathmandu']) {
    let period = periodOf('daily', timeZone, { year: 2027, month: 1, day: 1 })
    for (let days = 0; days < 366; days++) {
      const before = periodBefore(period)
      expect([timeZone, startsOn(period), before.to]).toEqual([timeZone, startsOn(period), period.from])
      period = before
    }
  }
})

const due = (kind: 'daily' | 'weekly', now: string, last: string | null = null, createdAt = '2020-01-01T00:00:00Z') =>
  duePeriods({
    ...{ kind, timeZone: 'America/Bogota', last },
    ...{ createdAt: new Date(createdAt), nowMs: Date.parse(now) },
  }).map(startsOn)

test('a period is due once it has ended by the clock of the tenant', () => {
  // Half past eleven at night on Tuesday, and the moment at which Wednesday begins.
  expect(due('daily', '2026-03-11T04:59:59Z', '2026-03-09')).toEqual([])
  expect(due('daily', '2026-03-11T05:00:00Z', '2026-03-09')).toEqual(['2026-03-10'])
  expect(due('weekly', '2026-03-09T04:59:59Z', '2026-02-23')).toEqual([])
  expect(due('weekly', '2026-03-09T05:00:00Z', '2026-02-23')).toEqual(['2026-03-02'])
})

test('what was missed is made up for, a week of days and a month of weeks, the oldest first', () => {
  expect(due('daily', '2026-03-11T12:00:00Z')).toEqual([
    ...['2026-03-04', '2026-03-05', '2026-03-06', '2026-03-07', '2026-03-08', '2026-03-09', '2026-03-10'],
  ])
  expect(due('daily', '2026-03-11T12:00:00Z', '2026-03-08')).toEqual(['2026-03-09', '2026-03-10'])
  expect(due('weekly', '2026-03-11T12:00:00Z')).toEqual(['2026-02-09', '2026-02-16', '2026-02-23', '2026-03-02'])
})

test('there is no report of the time before the tenant', () => {
  expect(due('daily', '2026-03-11T12:00:00Z', null, '2026-03-09T20:00:00Z')).toEqual(['2026-03-09', '2026-03-10'])
  expect(due('weekly', '2026-03-11T12:00:00Z', null, '2026-03-09T20:00:00Z')).toEqual([])
})

test('a tenant that moves to another time zone gets no second report of a day', () => {
  const given = { kind: 'daily', last: '2026-03-10', createdAt: new Date(0) } as const
  const nowMs = Date.parse('2026-03-11T06:00:00Z')
  expect(duePeriods({ ...given, timeZone: 'America/Bogota', nowMs }).map(startsOn)).toEqual([])
  expect(duePeriods({ ...given, timeZone: 'Asia/Tokyo', nowMs }).map(startsOn)).toEqual([])
})

test('the last day of a week is its Sunday', () => {
  expect(endsOn(periodOf('weekly', 'UTC', { year: 2026, month: 12, day: 28 }))).toBe('2027-01-03')
  expect(endsOn(periodOf('daily', 'UTC', { year: 2026, month: 12, day: 31 }))).toBe('2026-12-31')
})

test('the present day ends at the next midnight of the zone', () => {
  expect(endOfDay('America/Bogota', Date.parse('2026-03-11T04:59:59Z')).toISOString()).toBe('2026-03-11T05:00:00.000Z')
})
