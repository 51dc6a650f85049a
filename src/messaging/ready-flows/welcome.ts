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
  const is = (id: string, next: string) => ({ condition: `answer == "${id}"`, next })
  return {
    name: t.name,
    start: 'hello',
    triggers: [{ keywords: [...t.keywords] }, { ads: true }, { fallback: true }],
    steps: {
      hello: {
        type: 'question',
        content: choose(t.hello, t.open_menu, rows),
        variable: 'answer',
        retry: retryOf(t.retry, 'hand_over'),
        timeout: timeout('bye'),
        next: 'decide',
      },
      decide: {
        type: 'decision',
        cases: [is('catalog', 'catalog'), is('order', 'order'), is('status', 'status')],
        else: 'support',
      },
      catalog: { type: 'flow', flow: flows.catalog, next: 'end' },
      order: { type: 'flow', flow: flows.order, next: 'end' },
      status: { type: 'action', handler: 'order.status', variable: 'order', next: 'tell', error: 'no_order' },
      tell: message(t.order_is.replace('states[', `${t.states}[`).replace('{{{', '{{ {')),
      no_order: message(t.no_order),
      support: { type: 'flow', flow: flows.support, next: 'end' },
      bye: message(t.bye),
      hand_over: message(t.person_comes, 'lost'),
      lost: { type: 'handoff', note: t.note },
    },
  }
}
