import type { AnswerRule } from './answer-rule.ts'
import { foldAnswer, type Reading } from './reading.ts'
import { addCalendarDays, type CalendarDay, calendarDaysBetween, dateText, isRealDay, localParts } from './time-zone.ts'

type DateRule = Omit<Extract<AnswerRule, { type: 'date' }>, 'type'>

/**
 * A day as "2026-12-25": "25/12", "25-12-26", "25.12.2026", "2026-12-25", "25 de diciembre", "25 december", "vie 25 dic",
 * "para hoy", "tomorrow", "amanhã". Without a year it is the next such day from today on, in the zone of the business; a
 * weekday alone is the next one, and none on such a day itself: "el viernes" of a Friday may be today, or in a week.
 */
export function readDate(text: string, rule: DateRule, timeZone: string, nowMs: number): Reading {
  const today = localParts(timeZone, nowMs)
  const day = parseDay(foldAnswer(text), rule.order, today)
  if (day === null) return { problem: 'not_a_date' }
  const date = dateText(day)
  const bound = (text: string) => (text === 'today' ? dateText(today) : text)
  if (rule.min !== undefined && date < bound(rule.min)) return { problem: 'too_early' }
  if (rule.max !== undefined && date > bound(rule.max)) return { problem: 'too_late' }
  return { value: date }
}

/** The day that a folded text names; null when it names none. `order` says how 1/2 is read, "dmy" unless told. */
export function parseDay(folded: string, order: 'dmy' | 'mdy' | undefined, today: CalendarDay): CalendarDay | null {
  const daysAhead = daysAheadIn(folded)
  if (daysAhead !== undefined) return addCalendarDays(today, daysAhead)
  const { weekday, rest } = withoutWeekday(withoutFillers(folded))
  if (weekday !== null && rest === '') return nextWeekday(weekday, today)
  const named = parseNumeric(rest, order ?? 'dmy') ?? parseWorded(rest)
  const day = named === null ? null : withYear(named, today)
  return day === null || (weekday !== null && weekday !== weekdayOf(day)) ? null : day
}

const BEFORE_A_DAY = /^(?:para|pra|for|el|o|the|on|no|em|dia) /

/** "la mañana" is none of them: it is the morning. */
function daysAheadIn(folded: string): number | undefined {
  const shorter = folded.replace(BEFORE_A_DAY, '')
  return DAYS_AHEAD.get(folded) ?? (shorter === folded ? undefined : daysAheadIn(shorter))
}

/** A day whose year may be missing, or have two digits. */
type NamedDay = { readonly year: string | undefined; readonly month: number; readonly day: number }

const NUMERIC = /^(\d{1,2}) ?([/.-]) ?(\d{1,2})(?: ?\2 ?(\d{4}|\d{2}))?$/
const YEAR_FIRST = /^(\d{4})([/.-])(\d{1,2})\2(\d{1,2})$/

function parseNumeric(text: string, order: 'dmy' | 'mdy'): NamedDay | null {
  const [, first, , second, year] = NUMERIC.exec(text) ?? []
  if (first !== undefined) {
    const [day, month] = order === 'dmy' ? [first, second] : [second, first]
    return { year, month: Number(month), day: Number(day) }
  }
  const [, fullYear, , month, day] = YEAR_FIRST.exec(text) ?? []
  return fullYear === undefined ? null : { year: fullYear, month: Number(month), day: Number(day) }
}

const DAY = /^(\d{1,2})(?:º|°|o|ro|er|st|nd|rd|th)?$/
const YEAR = /^\d{4}$|^\d{2}$/

/** "25 diciembre 2026", "december 25th". */
function parseWorded(text: string): NamedDay | null {
  const words = text.split(/[ /.-]+/).filter(word => word !== '')
  const [first = '', second = '', year, ...more] = words
  if (more.length > 0 || (year !== undefined && !YEAR.test(year))) return null
  const [dayWord, monthWord] = MONTHS.has(first) ? [second, first] : [first, second]
  const day = FIRST_DAYS.has(dayWord) ? '1' : DAY.exec(dayWord)?.[1]
  const month = MONTHS.get(monthWord)
  return day === undefined || month === undefined ? null : { year, month, day: Number(day) }
}

// A date of birth, and the delivery of a customer who lives long: what lies outside was mistyped.
const YEAR_MIN = 1_900
const YEAR_MAX = 2_199
/** The 29th of February comes again after eight years at the latest. */
const YEARS_AHEAD_MAX = 8

function withYear({ year, month, day }: NamedDay, today: CalendarDay): CalendarDay | null {
  if (year !== undefined) {
    const named = { year: year.length === 2 ? fullYear(Number(year), today.year) : Number(year), month, day }
    return isRealDay(named) && named.year >= YEAR_MIN && named.year <= YEAR_MAX ? named : null
  }
  for (let ahead = 0; ahead <= YEARS_AHEAD_MAX; ahead++) {
    const candidate = { year: today.year + ahead, month, day }
    if (isRealDay(candidate) && calendarDaysBetween(today, candidate) >= 0) return candidate
  }
  return null
}

/** The year of these two digits from 79 years ago to 20 years ahead. */
function fullYear(twoDigits: number, thisYear: number): number {
  const first = thisYear - 79
  return first + ((((twoDigits - first) % 100) + 100) % 100)
}

function nextWeekday(weekday: number, today: CalendarDay): CalendarDay | null {
  const daysAhead = (weekday - weekdayOf(today) + 7) % 7
  return daysAhead === 0 ? null : addCalendarDays(today, daysAhead)
}

function weekdayOf(day: CalendarDay): number {
  return new Date(`${dateText(day)}T00:00:00Z`).getUTCDay()
}

function withoutFillers(folded: string): string {
  const words = folded.replace(/,/g, ' ').split(' ')
  return words.filter(word => word !== '' && !FILLERS.has(word)).join(' ')
}

function withoutWeekday(text: string): { weekday: number | null; rest: string } {
  const [first = '', ...others] = text.split(' ')
  const weekday = WEEKDAYS.get(first.replace(/-feira$|\.$/, ''))
  return weekday === undefined ? { weekday: null, rest: text } : { weekday, rest: others.join(' ') }
}

const split = (list: string) => list.split(' ')
const FILLERS = new Set(split('el la o a del de do of the on para pra for no na em dia day este esta this feira'))
const FIRST_DAYS = new Set(split('primero primeiro first'))

/** Spanish, English, Portuguese; "mar" is March, so that Tuesday has no short name in Spanish. */
const WEEKDAYS = new Map(
  [
    'domingo dom sunday sun',
    'lunes lun monday mon segunda seg',
    'martes tuesday tue terca ter',
    'miercoles mie wednesday wed quarta qua',
    'jueves jue thursday thu quinta qui',
    'viernes vie friday fri sexta sex',
    'sabado sab saturday sat',
  ].flatMap((names, index) => split(names).map(name => [name, index] as const)),
)

const MONTHS = new Map(
  [
    'enero ene january jan janeiro',
    'febrero feb february fevereiro fev',
    'marzo mar march marco',
    'abril abr april apr',
    'mayo may maio mai',
    'junio jun june junho',
    'julio jul july julho',
    'agosto ago august aug',
    'septiembre setiembre sep set sept september setembro',
    'octubre oct october outubro out',
    'noviembre nov november novembro',
    'diciembre dic december dec dezembro dez',
  ].flatMap((names, index) => split(names).map(name => [name, index + 1] as const)),
)

const DAYS_AHEAD: ReadonlyMap<string, number> = new Map([
  ...(['hoy', 'today', 'hoje'] as const).map(word => [word, 0] as const),
  ...(['manana', 'tomorrow', 'amanha'] as const).map(word => [word, 1] as const),
  ...(['pasado manana', 'day after tomorrow', 'the day after tomorrow', 'depois de amanha'] as const).map(
    word => [word, 2] as const,
  ),
])
