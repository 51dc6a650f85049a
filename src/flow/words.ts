/**
 * The words of a text for comparing: lower case, accents stripped, everything but letters, digits and symbols
 * (emoji are symbols) turned into single spaces, trimmed. "  ¡Menú, POR favor!" gives "menu por favor".
 */
export function foldWords(text: string): string {
  const lower = text.toLowerCase()
  if (PLAIN.test(lower)) return lower
  return lower
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^\p{L}\p{N}\p{S}]+/gu, ' ')
    .trim()
}

const PLAIN = /^[a-z0-9]+$/

/** Whether `words` stand in `text` as whole words in that order; both are folded already. */
export function containsWords(text: string, words: string): boolean {
  return text === words || ` ${text} `.includes(` ${words} `)
}

/** The text itself, or its first `max` code units with the last one an ellipsis; never half a character. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text
  const cut = text.slice(0, max - 1)
  const last = cut.charCodeAt(cut.length - 1)
  return `${last >= 0xd800 && last <= 0xdbff ? cut.slice(0, -1) : cut}…`
}
