import type { Reading } from './reading.ts'

// RFC 5321, 4.5.3.1: a path has at most 256 characters, its brackets among them.
const EMAIL_LENGTH_MAX = 254
const EMAIL = /^[^\s@,;<>"]{1,64}@[^\s@,;<>".]+(?:\.[^\s@,;<>".]+)+$/

/** An address of mail, as it was written. */
export function readEmail(text: string): Reading {
  return EMAIL.test(text) && text.length <= EMAIL_LENGTH_MAX ? { value: text } : { problem: 'not_an_email' }
}
