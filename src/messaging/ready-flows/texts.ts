import type { Language } from '../tenant-settings.ts'
import { en } from './texts-en.ts'
import { es } from './texts-es.ts'
import { pt } from './texts-pt.ts'

type Spanish = typeof es

/** All that the ready flows say, in one language. What stands in `{{…}}` is CEL, and the same in all of them. */
export type ReadyTexts = {
  readonly [Flow in keyof Spanish]: {
    readonly [Key in keyof Spanish[Flow]]: Spanish[Flow][Key] extends string ? string : readonly string[]
  }
}

/** The texts of each language. */
export const readyTexts: Readonly<Record<Language, ReadyTexts>> = { es, en, pt }
