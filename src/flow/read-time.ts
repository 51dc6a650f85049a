import { foldAnswer, type Reading } from './reading.ts'
import { timeText } from './time-zone.ts'

/** A time of the day. */
export type TimeOfDay = { readonly hour: number; readonly minute: number }

/**
 * A time of the day as "17:00": "17:00", "17.30", "17h", "17h30", "5pm", "5:30 p. m.", "5 de la tarde". "5:30" alone is in
 * the morning, as clocks of 24 hours show it. A number alone is no time, nor is "a las 5", of which there are two a day;
 * "a las 17" is.
 */
export function readTime(text: string): Reading {
  const time = parseTime(foldAnswer(text))
  return time === null ? { problem: 'not_a_time' } : { value: timeText(time) }
}

/** The time of the day that a folded text names; null when it names none. */
export function parseTime(folded: string): TimeOfDay | null {
  const evening = AFTER_NOON.exec(folded)?.[1]
  if (evening !== undefined) return { hour: Number(evening), minute: 0 }
  const text = folded.replace(/^(?:a las?|at|as) /, '')
  const [, beforeHalf = text, letter, part] = HALF.exec(text) ?? []
  const half = letter === undefined ? part : `${letter}m`
  const clock = parseClock(beforeHalf, half !== undefined)
  if (clock === null || clock.hour > 23 || clock.minute > 59) return null
  const hour = half === undefined ? clock.hour : hourIn(half, clock.hour)
  return hour === null ? null : { hour, minute: clock.minute }
}

/** An hour that only a clock of 24 hours has. */
const AFTER_NOON = /^(?:a las|at|as) (1[3-9]|2[0-3])$/

/** "p. m.", "pm", "de la tarde", "da noite", "in the morning". */
const HALF =
  /^(.*?)(?: ?([ap])\.? ?m\.?| (?:de la|por la|da|in the) (manana|tarde|noche|madrugada|manha|noite|morning|afternoon|evening))$/

const WITH_MINUTES = /^(\d{1,2})[:.](\d{2})(?::00)?(?: ?(?:h|hs|hrs|horas|hours)\.?)?$/
const WITH_HOURS = /^(\d{1,2}) ?(?:h|hs|hrs|horas?)\.?$/
const WITH_BOTH = /^(\d{1,2}) ?h ?(\d{2})(?: ?min)?$/
const ALONE = /^(\d{1,2})$/

function parseClock(text: string, mayBeAlone: boolean): TimeOfDay | null {
  const forms = [WITH_MINUTES, WITH_HOURS, WITH_BOTH, ...(mayBeAlone ? [ALONE] : [])]
  for (const form of forms) {
    const [, hour, minute = '0'] = form.exec(text) ?? []
    if (hour !== undefined) return { hour: Number(hour), minute: Number(minute) }
  }
  return null
}

/** The hour of 24 that is `hour` in that part of the day; null where people don't agree on what that is. */
function hourIn(half: string, hour: number): number | null {
  switch (half) {
    case 'am':
    case 'madrugada':
      return hour > 12 ? null : hour % 12
    case 'manana':
    case 'manha':
    case 'morning':
      return hour >= 12 ? null : hour
    case 'pm':
      return hour === 0 ? null : hour < 12 ? hour + 12 : hour
    case 'tarde':
    case 'afternoon':
      return hour === 12 ? 12 : inSecondHalf(hour, 1, 8)
    default:
      return inSecondHalf(hour, 6, 11)
  }
}

/** An hour from `from` to `to` of the second half of the day, in either count. */
function inSecondHalf(hour: number, from: number, to: number): number | null {
  const afterNoon = hour > 12 ? hour - 12 : hour
  return afterNoon >= from && afterNoon <= to && hour !== 12 ? afterNoon + 12 : null
}
