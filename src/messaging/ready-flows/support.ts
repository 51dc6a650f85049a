import type { DraftDocument } from '../flows.ts'
import { message, opensNext, retryOf, text, timeout } from './parts.ts'
import type { ReadyTexts } from './texts.ts'

/** Asks what it is about and calls a person: at once while the business is open, for later while it is closed. */
export function support(t: ReadyTexts['support']): DraftDocument {
  const ask = (words: string) =>
    ({
      type: 'question',
      content: text(words),
      variable: 'topic',
      answer: { type: 'text', min: 1, max: 900 },
      retry: retryOf(t.retry, 'silent'),
      timeout: timeout('silent'),
      next: 'is_open_now',
    }) as const
  return {
    name: t.name,
    start: 'is_open',
    triggers: [{ keywords: [...t.keywords] }],
    steps: {
      is_open: { type: 'decision', condition: 'business.open', true: 'ask', false: 'ask_closed' },
      ask: ask(t.open),
      ask_closed: ask(t.closed.replace('{{opens}}', opensNext(t.opens))),
      is_open_now: { type: 'decision', condition: 'business.open', true: 'wait', false: 'wait_closed' },
      wait: message(t.wait, 'person'),
      wait_closed: message(t.wait_closed, 'later'),
      person: { type: 'handoff', note: t.note, next: 'again', timeout: { after: '15m', next: 'busy' } },
      busy: message(t.busy, 'later'),
      later: { type: 'handoff', note: t.note, next: 'again' },
      again: message(t.again),
      silent: { type: 'handoff', note: t.silent },
    },
  }
}
