import type { BusinessNumber } from '../records.ts'
import { d360 } from './d360-dialect.ts'
import type { Dialect } from './dialect.ts'
import { evolution } from './evolution-dialect.ts'
import { legacy } from './legacy-dialect.ts'
import { meta } from './meta-dialect.ts'
import { twilio } from './twilio-dialect.ts'

/** Every dialect the emulator speaks. Meta's has no prefix, so it comes last. */
export const dialects: readonly Dialect[] = [d360, legacy, twilio, evolution, meta]

/** @throws {Error} for a dialect that is not in the list, which is a defect */
export function dialectOf({ account }: BusinessNumber): Dialect {
  const dialect = dialects.find(({ name }) => name === account.dialect)
  if (dialect === undefined) throw new Error(`the emulator does not speak ${account.dialect}`)
  return dialect
}

/** Whose API a path belongs to. */
export function dialectAt(path: string): Dialect {
  return dialects.find(({ prefix }) => prefix !== '' && path.startsWith(`${prefix}/`)) ?? meta
}
