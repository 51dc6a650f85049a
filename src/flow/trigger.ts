import type { CompiledFlow } from './compile.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { containsWords, foldWords } from './words.ts'

/**
 * What starts the flow on this message: the first keyword, in the order written, that stands in it as whole words
 * (case and accents aside), or "fallback" where the flow takes anything; null when nothing does.
 */
export function matchTrigger(flow: CompiledFlow, content: InboundContent): string | null {
  const words = foldWords(wordsOf(content))
  for (const trigger of flow.triggers) {
    const keyword = trigger.keywords?.find(candidate => containsWords(words, candidate))
    if (keyword !== undefined) return keyword
  }
  return flow.triggers.some(trigger => trigger.keywords === null) ? 'fallback' : null
}
