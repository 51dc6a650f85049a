import * as v from 'valibot'
import { formatMoney } from '../../flow/money.ts'
import { shorten } from '../../flow/words.ts'
import { type Cart, type CartLine, settleCart } from '../cart.ts'
import type { ActionResult } from './action.ts'
import type { Shop } from './shop.ts'

/** So that there is room for words and buttons around it: a message with buttons has 1,024 characters. */
const textLengthMax = 800
const nameLengthMax = 60
/** "… +30" */
const restLengthMax = 5

const whole = v.pipe(v.number(), v.integer())

export const cartShape = v.strictObject({
  items: v.array(
    v.strictObject({
      product_id: v.string(),
      sku: v.string(),
      name: v.string(),
      quantity: whole,
      price_minor: whole,
      line_minor: whole,
      stock: whole,
    }),
  ),
  count: whole,
  total_minor: whole,
  currency: v.nullable(v.string()),
  text: v.string(),
  dropped: v.array(
    v.strictObject({
      product_id: v.string(),
      name: v.string(),
      reason: v.picklist(['not_sold', 'other_currency']),
    }),
  ),
})

/** What the page of actions says of a cart's value, once. */
export const cartAbout =
  '`count` is the number of pieces, `currency` is null while the cart is empty, and `text` has a line for each product, ' +
  'short enough for a message with buttons. `dropped` are products that had to be taken out: not sold any more, or ' +
  'priced in another currency by now.'

/** The customer's cart with the prices of the moment. */
export async function openCart(shop: Shop): Promise<Cart> {
  return settleCart(await shop.readCart())
}

/** Keeps the cart, and shows it as it is now. */
export async function keepCart(shop: Shop, cart: Cart): Promise<ActionResult> {
  await shop.writeCart(cart.lines)
  return { ok: true, value: cartValue(cart, await shop.readLanguage()) }
}

function cartValue({ lines, dropped }: Cart, language: string) {
  return {
    items: lines.map(line => {
      const { id: product_id, sku, name, price_minor, stock } = line.product
      return { product_id, sku, name, quantity: line.quantity, price_minor, line_minor: amountOf(line), stock }
    }),
    count: lines.reduce((sum, line) => sum + line.quantity, 0),
    total_minor: lines.reduce((sum, line) => sum + amountOf(line), 0),
    currency: lines[0]?.product.currency ?? null,
    text: cartText(lines, language),
    dropped: dropped.map(line => ({ ...line })),
  }
}

function amountOf({ product, quantity }: CartLine): number {
  return product.price_minor * quantity
}

/** As many lines as have room, and how many more there are. */
function cartText(lines: readonly CartLine[], language: string): string {
  const texts = lines.map(line => lineText(line, language))
  let text = ''
  for (const [index, line] of texts.entries()) {
    const longer = index === 0 ? line : `${text}\n${line}`
    const isLast = index === texts.length - 1
    if (longer.length > textLengthMax - (isLast ? 0 : restLengthMax + 1)) return `${text}\n… +${texts.length - index}`
    text = longer
  }
  return text
}

function lineText(line: CartLine, language: string): string {
  const { name, currency } = line.product
  return `${line.quantity} × ${shorten(name, nameLengthMax)}: ${formatMoney(amountOf(line), currency, language)}`
}
