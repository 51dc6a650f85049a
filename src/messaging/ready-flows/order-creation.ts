import type { DraftDocument } from '../flows.ts'
import { addToCart, choose, message, retryOf, rowsOf, timeout } from './parts.ts'
import type { ReadyTexts } from './texts.ts'

/** Products go into a cart, one after the other; the cart is shown, confirmed and becomes an order, or is emptied. */
export function orderCreation(t: ReadyTexts['order'], personComes: string): DraftDocument {
  const patience = timeout('later')
  const retry = retryOf(t.retry, 'hand_over')
  return {
    name: t.name,
    start: 'show',
    triggers: [{ keywords: [...t.keywords] }],
    steps: {
      show: { type: 'action', handler: 'cart.show', variable: 'cart', next: 'has_items', error: 'hand_over' },
      has_items: { type: 'decision', condition: 'cart.count > 0', true: 'cart', false: 'list' },
      list: {
        type: 'action',
        handler: 'catalog.list',
        input: { limit: 9 },
        variable: 'catalog',
        next: 'any',
        error: 'hand_over',
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
        error: 'hand_over',
      },
      get: {
        type: 'action',
        handler: 'catalog.get',
        input: { product_id: '{{product_id}}' },
        variable: 'product',
        next: 'quantity',
        error: 'list',
      },
      ...addToCart(t, { added: 'cart', back: 'look', lost: 'hand_over', silent: 'later' }),
      cart: {
        type: 'question',
        content: {
          type: 'buttons',
          text: t.cart,
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
        cases: [
          { condition: 'error.code == "out_of_stock"', next: 'sold_out' },
          { condition: 'error.code == "unknown_product"', next: 'gone' },
        ],
        else: 'hand_over',
      },
      sold_out: message(t.sold_out, 'remove'),
      // What the error says of the product is there until another action fails.
      remove: {
        type: 'action',
        handler: 'cart.remove',
        input: { product_id: '{{error.data.shortages[0].product_id}}' },
        next: 'look',
        error: 'look',
      },
      gone: message(t.gone, 'look'),
      look: { type: 'action', handler: 'cart.show', variable: 'cart', next: 'is_left', error: 'hand_over' },
      is_left: { type: 'decision', condition: 'cart.count > 0', true: 'cart', false: 'list' },
      clear: { type: 'action', handler: 'cart.clear', next: 'cancelled', error: 'hand_over' },
      cancelled: message(t.cancelled),
      later: message(t.later),
      hand_over: message(personComes, 'person'),
      person: { type: 'handoff', note: t.note },
    },
  }
}
