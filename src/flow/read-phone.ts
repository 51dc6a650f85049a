import type { Reading } from './reading.ts'

/**
 * A phone number as E.164: "+34600111222". One without + or 00 is taken as one of `countryCode`, a leading 0 dropped;
 * refused where there is none.
 */
export function readPhone(text: string, countryCode: string | null): Reading {
  if (!/^\+?[\d\s().\-/]+$/.test(text)) return { problem: 'not_a_phone' }
  const digits = text.replace(/\D/g, '')
  const phone = internationalDigits(text, digits, countryCode)
  return phone !== null && /^[1-9]\d{7,14}$/.test(phone) ? { value: `+${phone}` } : { problem: 'not_a_phone' }
}

function internationalDigits(text: string, digits: string, countryCode: string | null): string | null {
  if (text.startsWith('+')) return digits
  if (digits.startsWith('00')) return digits.slice(2)
  return countryCode === null ? null : countryCode + digits.replace(/^0/, '')
}
