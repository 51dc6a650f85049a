import type { CompiledFlow } from './compile.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { containsWords, foldWords } from './words.ts'

/** A flow that may be started, with what the caller knows it by. */
type Candidate = { readonly ref: { readonly flow_id: string; readonly version: number }; readonly flow: CompiledFlow }

/**
 * What starts a flow on this message: the first keyword, in the order written, that stands in it as whole words (case and
 * accents aside), or "fallback" where a flow takes anything; null when nothing does.
 */
export function matchTrigger(
  flows: readonly Candidate[],
  content: InboundContent,
  _isOpen: boolean,
  kind: 'specific' | 'fallback',
): { index: number; trigger: string } | null {
  const words = foldWords(wordsOf(content))
  for (const [index, { flow }] of flows.entries())
    for (const trigger of flow.triggers) {
      if (kind === 'fallback' && trigger.kind === 'fallback') return { index, trigger: 'fallback' }
      if (kind === 'fallback' || trigger.kind !== 'keywords') continue
      const keyword = trigger.words.find(candidate => containsWords(words, candidate))
      if (keyword !== undefined) return { index, trigger: keyword }
    }
  return null
}
