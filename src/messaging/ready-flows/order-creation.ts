import type { DraftDocument } from '../flows.ts'
import { cartLines, choose, message, retryOf, rowsOf, text, timeout } from './parts.ts'
import type { ReadyTexts } from './texts.ts'

/** Products go into a cart, one after the other; the cart is shown, confirmed and becomes an order, or is emptied. */
export function orderCreation(t: ReadyTexts['order']): DraftDocument {
  const patience = timeout('later')
  const retry = retryOf(t.retry, 'person')
  return {
    name: t.name,
    start: 'show',
    triggers: [{ keywords: [...t.keywords] }],
    steps: {
      show: { type: 'action', handler: 'cart.show', variable: 'cart', next: 'has_items', error: 'person' },
      has_items: { type: 'decision', condition: 'cart.count > 0', true: 'cart', false: 'list' },
      list: {
        type: 'action',
        handler: 'catalog.list',
        input: { limit: 9 },
        variable: 'catalog',
        next: 'any',
        error: 'person',
      },
      any: { type: 'decision', condition: 'size(catalog.products) > 0', true: 'choose', false: 'empty' },
      empty: message(t.empty, 'person'),
      choose: {
        type: 'question',
        content: choose(
          t.choose,
          t.open_list,
          rowsOf('catalog', [{ id: 'more', title: t.more, when: 'catalog.more' }]),
        ),
        variable: 'product_id',
        retry,
        timeout: patience,
        next: 'is_more',
      },
      is_more: { type: 'decision', condition: 'product_id == "more"', true: 'more', false: 'get' },
      more: {
        type: 'action',
        handler: 'catalog.list',
        input: { limit: 9, offset: '{{catalog.next_offset}}' },
        variable: 'catalog',
        next: 'any',
        error: 'person',
      },
      get: {
        type: 'action',
        handler: 'catalog.get',
        input: { product_id: '{{product_id}}' },
        variable: 'product',
        next: 'quantity',
        error: 'list',
      },
      quantity: {
        type: 'question',
        content: text(t.quantity),
        variable: 'quantity',
        answer: { type: 'integer', min: 1, max: 99 },
        retry: retryOf(t.quantity_retry, 'person'),
        timeout: patience,
        next: 'add',
      },
      add: {
        type: 'action',
        handler: 'cart.add',
        input: { product_id: '{{product_id}}', quantity: '{{quantity}}' },
        variable: 'cart',
        next: 'cart',
        error: 'not_added',
      },
      not_added: { type: 'decision', condition: 'error.code == "out_of_stock"', true: 'short', false: 'failed' },
      short: message(t.short, 'look'),
      failed: message(t.failed, 'look'),
      cart: {
        type: 'question',
        content: {
          type: 'buttons',
          text: t.cart.replace('{{lines}}', cartLines),
          buttons: [
            { id: 'confirm', title: t.confirm },
            { id: 'more', title: t.more_items },
            { id: 'cancel', title: t.cancel },
          ],
        },
        variable: 'answer',
        retry,
        timeout: patience,
        next: 'decide',
      },
      decide: {
        type: 'decision',
        cases: [
          { condition: 'answer == "confirm"', next: 'order' },
          { condition: 'answer == "more"', next: 'list' },
        ],
        else: 'clear',
      },
      order: {
        type: 'action',
        handler: 'order.create',
        input: { from_cart: true },
        variable: 'order',
        next: 'thanks',
        error: 'not_ordered',
      },
      thanks: message(t.thanks),
      not_ordered: {
        type: 'decision',
        condition: 'error.code in ["out_of_stock", "unknown_product"]',
        true: 'sold_out',
        false: 'person',
      },
      sold_out: message(t.sold_out, 'look'),
      look: { type: 'action', handler: 'cart.show', variable: 'cart', next: 'is_left', error: 'person' },
      is_left: { type: 'decision', condition: 'cart.count > 0', true: 'cart', false: 'list' },
      clear: { type: 'action', handler: 'cart.clear', next: 'cancelled', error: 'person' },
      cancelled: message(t.cancelled),
      later: message(t.later),
      person: { type: 'handoff', note: t.note },
    },
  }
}
