import { type CelFunction, celFunction, moment, optional, TIMESTAMP, text, whole } from './cel-function.ts'
import { currentManner } from './evaluation.ts'
import { dateFormat } from './formats.ts'
import { NAME_LENGTH_MAX } from './limits.ts'
import { parseTime } from './read-time.ts'
import { foldAnswer } from './reading.ts'
import { addCalendarDays, calendarDaysBetween, dateText, localParts, momentAt } from './time-zone.ts'
import { shorten } from './words.ts'

/** What expressions may do with dates and times, on the clock of the business. */
export const dateFunctions: readonly CelFunction[] = [
  celFunction({
    name: 'date',
    about:
      'The moment at which that day begins, or at which it is `time` on it: an answer of type date, and one of type time.',
    parameters: [moment('day'), optional(text('time'))],
    returns: TIMESTAMP,
    examples: ['date("2026-12-25")', 'date("2026-12-25", "17:00")', 'date("2026-12-25") - now > duration("24h")'],
    compute: (ms, time) => (time === undefined ? timestamp('date', ms) : timestamp('date', atTime(ms, time))),
  }),
  celFunction({
    name: 'isoDate',
    about: 'The day of a moment as 2026-12-25, as answers of type date are.',
    parameters: [moment('time')],
    returns: 'string',
    examples: ['isoDate(now)', 'isoDate(addDays(now, 7))'],
    compute: ms => dateText(localParts(currentManner().zone, ms)),
  }),
  celFunction({
    name: 'formatDate',
    about: 'A day as people write it, in the business’s language or another one.',
    parameters: [moment('time'), optional(text('language'))],
    returns: 'string',
    examples: ['formatDate(now)', 'formatDate("2026-12-25", "en")'],
    compute: (ms, language) => format(ms, language, { dateStyle: 'long' }),
  }),
  celFunction({
    name: 'formatTime',
    about: 'The time of the day as people write it.',
    parameters: [moment('time'), optional(text('language'))],
    returns: 'string',
    examples: ['formatTime(now)', 'formatTime(now, "en")'],
    compute: (ms, language) => format(ms, language, { timeStyle: 'short' }),
  }),
  celFunction({
    name: 'formatDateTime',
    about: 'Both.',
    parameters: [moment('time'), optional(text('language'))],
    returns: 'string',
    examples: ['formatDateTime("2026-12-25T16:00:00Z")'],
    compute: (ms, language) => format(ms, language, { dateStyle: 'long', timeStyle: 'short' }),
  }),
  celFunction({
    name: 'weekday',
    about: 'The name of the day of the week.',
    parameters: [moment('time'), optional(text('language'))],
    returns: 'string',
    examples: ['weekday(now)', 'weekday("2026-12-25", "pt")'],
    compute: (ms, language) => format(ms, language, { weekday: 'long' }),
  }),
  celFunction({
    name: 'addMinutes',
    about: 'A moment so many minutes later, or earlier.',
    parameters: [moment('time'), whole('minutes')],
    returns: TIMESTAMP,
    examples: ['formatTime(addMinutes(now, 45))'],
    compute: (ms, minutes) => timestamp('addMinutes', ms + minutes * 60_000),
  }),
  celFunction({
    name: 'addHours',
    about: 'A moment so many hours later, or earlier.',
    parameters: [moment('time'), whole('hours')],
    returns: TIMESTAMP,
    examples: ['addHours(now, -2)'],
    compute: (ms, hours) => timestamp('addHours', ms + hours * 3_600_000),
  }),
  celFunction({
    name: 'addDays',
    about: 'The same time of the day so many days later, or earlier, whatever the clocks do in between.',
    parameters: [moment('time'), whole('days')],
    returns: TIMESTAMP,
    examples: ['formatDate(addDays(now, 7))', 'isoDate(addDays("2026-12-31", 1))'],
    compute: addDays,
  }),
  celFunction({
    name: 'daysBetween',
    about: 'How many days of the calendar there are from one moment to another; negative when it is past.',
    parameters: [moment('from'), moment('to')],
    returns: 'int',
    examples: ['daysBetween(now, "2026-12-25")'],
    compute: (from, to) => {
      const { zone } = currentManner()
      return BigInt(calendarDaysBetween(localParts(zone, from), localParts(zone, to)))
    },
  }),
]

// What CEL calls a timestamp: from the year 1 to 9999.
const [MOMENT_MIN, MOMENT_MAX] = [-62_135_596_800_000, 253_402_300_799_999]

function timestamp(name: string, ms: number): Date {
  if (ms >= MOMENT_MIN && ms <= MOMENT_MAX) return new Date(ms)
  throw new Error(`${name}() can't go beyond the years 1 and 9999`)
}

function atTime(ms: number, time: string): number {
  const { zone } = currentManner()
  const clock = parseTime(foldAnswer(time))
  if (clock === null)
    throw new Error(`date() takes a time of the day like 17:00, and not "${shorten(time, NAME_LENGTH_MAX)}"`)
  return momentAt(zone, { ...localParts(zone, ms), ...clock })
}

const DAYS_MAX = 4_000_000

function addDays(ms: number, days: number): Date {
  const { zone } = currentManner()
  const local = localParts(zone, ms)
  // The seconds, which the clock on the wall does not show.
  const rest = ((ms % 60_000) + 60_000) % 60_000
  if (Math.abs(days) > DAYS_MAX) return timestamp('addDays', Number.POSITIVE_INFINITY)
  return timestamp('addDays', momentAt(zone, { ...local, ...addCalendarDays(local, days) }) + rest)
}

function format(ms: number, language: string | undefined, style: Parameters<typeof dateFormat>[2]): string {
  const manner = currentManner()
  const text = dateFormat(language ?? manner.language, manner.zone, style).format(ms)
  return text.replace(/[\u00a0\u202f]/g, ' ')
}
