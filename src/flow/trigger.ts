import type { CompiledFlow, CompiledTrigger } from './compile.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { foldWords } from './words.ts'

/** Which of the flows a message starts, and by what: a keyword, `button:ID`, `ad:ID` or `fallback`. */
export type Match = { readonly index: number; readonly trigger: string }

/**
 * The first of a bot's flows, in the order given, that a message starts; null when it starts none. A `specific` trigger
 * is a keyword, a button or an advertisement; a `fallback` takes anything. A trigger with hours holds only while the
 * business is open, or only while it is closed.
 */
export function matchTrigger(
  flows: readonly { readonly flow: CompiledFlow }[],
  content: InboundContent,
  isOpen: boolean,
  kind: 'specific' | 'fallback',
): Match | null {
  const message = { content, words: lazily(() => readWords(wordsOf(content))) }
  for (const [index, { flow }] of flows.entries()) {
    for (const trigger of flow.triggers) {
      if ((trigger.kind === 'fallback') !== (kind === 'fallback') || !isInForce(trigger, isOpen)) continue
      const name = nameOfMatch(trigger, message)
      if (name !== null) return { index, trigger: name }
    }
  }
  return null
}

function isInForce({ hours }: CompiledTrigger, isOpen: boolean): boolean {
  return hours === null || (hours === 'open') === isOpen
}

type Message = { readonly content: InboundContent; readonly words: () => Words }

function nameOfMatch(trigger: CompiledTrigger, { content, words }: Message): string | null {
  switch (trigger.kind) {
    case 'keywords':
      return trigger.words.find(keyword => isSaid(words(), keyword, trigger.match)) ?? null
    case 'buttons':
      return content.type === 'choice' && trigger.ids.some(id => isTapped(content.id, id))
        ? `button:${content.id}`
        : null
    case 'ads':
      return nameOfAd(trigger.ids, content)
    case 'fallback':
      return 'fallback'
  }
}

/** An id that ends in `*` stands for all that begin as it does. */
function isTapped(tapped: string, id: string): boolean {
  return id.endsWith('*') ? tapped.startsWith(id.slice(0, -1)) : tapped === id
}

/** A post that led to the chat counts as an advertisement; WhatsApp tells of both in the same way. */
function nameOfAd(ids: readonly string[] | null, content: InboundContent): string | null {
  const referral = 'referral' in content ? content.referral : undefined
  if (referral === undefined) return null
  const { source_id = '' } = referral
  return ids === null || ids.includes(source_id) ? `ad:${source_id}` : null
}

/** A message's words for comparing: `runs(n)` are all its runs of n words. */
type Words = { readonly text: string; readonly runs: (length: number) => ReadonlySet<string> }

/** Some 20,000 keywords are held against a message: each costs a look-up, however long the message is. */
function readWords(text: string): Words {
  const folded = foldWords(text)
  const made = new Map<number, ReadonlySet<string>>()
  const runs = (length: number) => {
    const known = made.get(length) ?? runsOf(folded, length)
    made.set(length, known)
    return known
  }
  return { text: folded, runs }
}

function runsOf(text: string, length: number): ReadonlySet<string> {
  if (length === 1) return new Set(text.split(' '))
  const starts = [...text.matchAll(/(?:^| )(?=.)/g)].map(({ index, 0: space }) => index + space.length)
  const ends = [...starts.slice(1).map(start => start - 1), text.length]
  return new Set(starts.slice(0, 1 - length).map((start, index) => text.slice(start, ends[index + length - 1])))
}

function isSaid({ text, runs }: Words, keyword: string, match: 'contains' | 'exact' | 'starts'): boolean {
  if (match === 'exact') return text === keyword
  if (match === 'starts')
    return text.startsWith(keyword) && (text.length === keyword.length || text[keyword.length] === ' ')
  if (keyword.length > text.length) return false
  const length = countWords(keyword)
  if (length === 1) return runs(1).has(keyword)
  return runs(1).has(keyword.slice(0, keyword.indexOf(' '))) && runs(length).has(keyword)
}

function countWords(folded: string): number {
  let count = 1
  for (let at = folded.indexOf(' '); at >= 0; at = folded.indexOf(' ', at + 1)) count++
  return count
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
