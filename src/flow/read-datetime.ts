import { type AnswerRule, parseMomentMs } from './answer-rule.ts'
import { parseDay } from './read-date.ts'
import { parseTime, type TimeOfDay } from './read-time.ts'
import { foldAnswer, type Reading } from './reading.ts'
import { type CalendarDay, localParts, type WallTime, zonedToUtcMs } from './time-zone.ts'

type DateTimeRule = Omit<Extract<AnswerRule, { type: 'datetime' }>, 'type'>

/**
 * A moment as RFC 3339 in UTC: a date and a time ("25/12 17:00", "25 de diciembre a las 17h", "5pm mañana") on the clock of
 * the business, or RFC 3339. A time that the clocks skip is none; of one that they show twice it is the first.
 */
export function readDateTime(text: string, rule: DateTimeRule, timeZone: string, nowMs: number): Reading {
  const ms = parseMomentMs(text.trim().toUpperCase()) ?? parseLocal(foldAnswer(text), rule.order, timeZone, nowMs)
  if (ms === null) return { problem: 'not_a_moment' }
  const bound = (text: string) => (text === 'now' ? nowMs : Date.parse(text))
  if (rule.min !== undefined && ms < bound(rule.min)) return { problem: 'too_early' }
  if (rule.max !== undefined && ms > bound(rule.max)) return { problem: 'too_late' }
  return { value: new Date(ms).toISOString() }
}

function parseLocal(folded: string, order: 'dmy' | 'mdy' | undefined, timeZone: string, nowMs: number): number | null {
  const today = localParts(timeZone, nowMs)
  const found = splits(folded.replace(/(?<=\d)t(?=\d)/, ' ')).flatMap(([date, time]) => {
    const [day, clock] = [parseDay(date, order, today), parseTime(time)]
    return day === null || clock === null ? [] : [wallTime(day, clock)]
  })
  const [wall, ...others] = found
  // "5.10 6.10" is two moments, so it is none.
  if (wall === undefined || others.some(other => !isSame(other, wall))) return null
  return zonedToUtcMs(timeZone, wall)
}

/** A text cut in two in every way, each half as the date and as the time. */
function splits(text: string): readonly (readonly [date: string, time: string])[] {
  const words = text.split(/[ ,]+/).filter(word => word !== '')
  return words.slice(1).flatMap((_, index) => {
    const [first, second] = [words.slice(0, index + 1).join(' '), words.slice(index + 1).join(' ')]
    return [[first, second] as const, [second, first] as const]
  })
}

function wallTime({ year, month, day }: CalendarDay, { hour, minute }: TimeOfDay): WallTime {
  return { year, month, day, hour, minute }
}

function isSame(one: WallTime, other: WallTime): boolean {
  const parts = ['year', 'month', 'day', 'hour', 'minute'] as const
  return parts.every(part => one[part] === other[part])
}
