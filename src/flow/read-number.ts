import type { Reading } from './reading.ts'

const INTEGER = /^[+-]?\d{1,15}$/
const DECIMAL = /^[+-]?\d{1,15}(?:[.,]\d{1,10})?$/
// "1.500" is a thousand and a half here and one and a half there: asked again rather than guessed.
const GROUPED = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/

type Bounds = { readonly min?: number | undefined; readonly max?: number | undefined }

/** A whole number of at most 15 digits. */
export function readInteger(text: string, bounds: Bounds): Reading {
  return INTEGER.test(text) ? withinBounds(Number(text), bounds) : { problem: 'not_a_number' }
}

/** A number with decimals behind a point or a comma. */
export function readNumber(text: string, bounds: Bounds): Reading {
  if (!DECIMAL.test(text) || GROUPED.test(text)) return { problem: 'not_a_number' }
  return withinBounds(Number(text.replace(',', '.')), bounds)
}

/** The number, if it is within inclusive bounds. */
export function withinBounds(number: number, { min, max }: Bounds): Reading {
  if (min !== undefined && number < min) return { problem: 'too_small' }
  if (max !== undefined && number > max) return { problem: 'too_large' }
  return { value: number === 0 ? 0 : number }
}
