import type { JsonObject } from './json.ts'

/** A text as a content. */
export const text = (words: string) => ({ type: 'text', text: words }) as const

/** A message step; it ends the flow unless told. */
export const message = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })

/** A question step without a timeout; what it asks is the name of its variable. */
export const question = (variable: string, next = 'end', more: JsonObject = {}) => ({
  type: 'question',
  content: text(`${variable}?`),
  variable,
  next,
  ...more,
})
