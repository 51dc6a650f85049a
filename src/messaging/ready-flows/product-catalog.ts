import type { Json } from '../../lib/json.ts'
import type { DraftDocument } from '../flows.ts'
import { addToCart, choose, message, retryOf, rowsOf, text, timeout } from './parts.ts'
import type { ReadyTexts } from './texts.ts'

/** Products in pages, looked for by name, shown one by one and put into the cart; `order` is the flow that orders it. */
export function productCatalog(
  t: ReadyTexts['catalog'],
  { order, personComes }: { readonly order: string; readonly personComes: string },
): DraftDocument {
  const patience = timeout('later')
  const retry = retryOf(t.retry, 'hand_over')
  const list = (input: Readonly<Record<string, Json>>) => {
    return {
      type: 'action',
      handler: 'catalog.list',
      input,
      variable: 'catalog',
      next: 'any',
      error: 'hand_over',
    } as const
  }
  return {
    name: t.name,
    start: 'list',
    triggers: [{ keywords: [...t.keywords] }],
    steps: {
      list: list({ limit: 8 }),
      any: { type: 'decision', condition: 'size(catalog.products) > 0', true: 'choose', false: 'empty' },
      empty: message(t.empty),
      choose: {
        type: 'question',
        content: choose(
          t.choose,
          t.open_list,
          rowsOf('catalog', [
            { id: 'more', title: t.more, when: 'catalog.more' },
            { id: 'search', title: t.search },
          ]),
        ),
        variable: 'product_id',
        retry,
        timeout: patience,
        next: 'chosen',
      },
      chosen: {
        type: 'decision',
        cases: [
          { condition: 'product_id == "more"', next: 'more' },
          { condition: 'product_id == "search"', next: 'ask_search' },
          { condition: 'product_id == "list"', next: 'list' },
        ],
        else: 'get',
      },
      more: list({ limit: 8, offset: '{{catalog.next_offset}}' }),
      ask_search: {
        type: 'question',
        content: text(t.ask_search),
        variable: 'wanted',
        answer: { type: 'text', min: 1, max: 100 },
        retry: retryOf(t.ask_search, 'hand_over'),
        timeout: patience,
        next: 'search',
      },
      search: {
        type: 'action',
        handler: 'catalog.search',
        input: { text: '{{wanted}}', limit: 8 },
        variable: 'found',
        next: 'is_found',
        error: 'hand_over',
      },
      is_found: { type: 'decision', condition: 'size(found.products) > 0', true: 'choose_found', false: 'not_found' },
      not_found: message(t.not_found, 'list'),
      choose_found: {
        type: 'question',
        content: choose(
          t.found,
          t.open_list,
          rowsOf('found', [
            { id: 'search', title: t.search },
            { id: 'list', title: t.back },
          ]),
        ),
        variable: 'product_id',
        retry,
        timeout: patience,
        next: 'chosen',
      },
      get: {
        type: 'action',
        handler: 'catalog.get',
        input: { product_id: '{{product_id}}' },
        variable: 'product',
        next: 'has_image',
        error: 'list',
      },
      has_image: { type: 'decision', condition: 'product.image_url != null', true: 'image', false: 'detail' },
      image: { type: 'message', content: { type: 'image', url: '{{product.image_url}}' }, next: 'detail' },
      detail: {
        type: 'question',
        content: {
          type: 'buttons',
          text: t.detail,
          buttons: [
            { id: 'add', title: t.add },
            { id: 'another', title: t.another },
          ],
        },
        variable: 'answer',
        retry,
        timeout: patience,
        next: 'wants',
      },
      wants: { type: 'decision', condition: 'answer == "add"', true: 'quantity', false: 'list' },
      ...addToCart(t, { added: 'added', back: 'list', lost: 'hand_over', silent: 'later' }),
      added: {
        type: 'question',
        content: {
          type: 'buttons',
          text: t.added,
          buttons: [
            { id: 'order', title: t.finish },
            { id: 'another', title: t.another },
          ],
        },
        variable: 'answer',
        retry,
        timeout: patience,
        next: 'goes_on',
      },
      goes_on: { type: 'decision', condition: 'answer == "order"', true: 'order', false: 'list' },
      order: { type: 'flow', flow: order, next: 'end' },
      later: message(t.later),
      hand_over: message(personComes, 'person'),
      person: { type: 'handoff', note: t.note },
    },
  }
}
