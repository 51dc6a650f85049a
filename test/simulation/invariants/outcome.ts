import type { Webhooks } from '../outside/webhooks.ts'
import type { WhatsApp } from '../outside/whatsapp.ts'
import type { Plan, Written } from '../plan.ts'
import type { Shop } from '../shop.ts'

/** What the world knows, to hold what the program has stored against. */
export type Outcome = {
  readonly plan: Plan
  readonly shops: readonly Shop[]
  readonly webhooks: Webhooks
  readonly whatsapp: WhatsApp
  /** What customers wrote, by the provider's id. */
  readonly written: ReadonlyMap<string, Written>
}

export function countBy(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}
