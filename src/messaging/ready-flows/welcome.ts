import type { DraftDocument } from '../flows.ts'
import { choose, message, retryOf, timeout } from './parts.ts'
import type { ReadyTexts } from './texts.ts'

/** The names of the flows that the menu leads to. */
type Flows = { readonly catalog: string; readonly order: string; readonly support: string }

/** The menu of the shop: the catalog, an order, the last order, a person. It takes whatever no other flow takes. */
export function welcome(t: ReadyTexts['welcome'], flows: Flows): DraftDocument {
  const rows = [
    { id: 'catalog', title: t.catalog },
    { id: 'order', title: t.order },
    { id: 'status', title: t.status },
    { id: 'person', title: t.person },
  ]
  const ask = (words: string, more: readonly { id: string; title: string }[] = []) => ({
    type: 'question',
    content: choose(words, t.open_menu, [...rows, ...more]),
    variable: 'answer',
    retry: retryOf(t.retry, 'lost'),
    timeout: timeout('bye'),
    next: 'decide',
  })
  const is = (id: string, next: string) => ({ condition: `answer == "${id}"`, next })
  return {
    name: t.name,
    start: 'hello',
    triggers: [{ keywords: [...t.keywords] }, { ads: true }, { fallback: true }],
    steps: {
      hello: ask(t.hello),
      again: ask(t.again, [{ id: 'nothing', title: t.nothing }]),
      decide: {
        type: 'decision',
        cases: [is('catalog', 'catalog'), is('order', 'order'), is('status', 'status'), is('person', 'support')],
        else: 'bye',
      },
      catalog: { type: 'flow', flow: flows.catalog, next: 'again' },
      order: { type: 'flow', flow: flows.order, next: 'again' },
      status: { type: 'action', handler: 'order.status', variable: 'order', next: 'tell', error: 'no_order' },
      tell: message(t.order_is.replace('states[', `${t.states}[`).replace('{{{', '{{ {'), 'again'),
      no_order: message(t.no_order, 'again'),
      support: { type: 'flow', flow: flows.support, next: 'again' },
      bye: message(t.bye),
      lost: { type: 'handoff', note: t.note },
    },
  }
}
