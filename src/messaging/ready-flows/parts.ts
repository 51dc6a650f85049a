// What the ready flows are put together from.

/** How long a customer may think before the flow ends by itself. */
const patience = '30m'
const retriesMax = 3

export const text = (words: string) => ({ type: 'text', text: words })

/** A message; it ends the flow unless told. */
export const message = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })

export const timeout = (next: string) => ({ after: patience, next })

export const retryOf = (words: string, next: string) => ({ text: words, limit: retriesMax, next })

/** A list to choose from; `rows` is written out, or one `{{…}}`. */
export function choose(words: string, button: string, rows: string | readonly { id: string; title: string }[]) {
  const shown = typeof rows === 'string' ? rows : [...rows]
  return { type: 'list', text: words, button, sections: [{ rows: shown }] }
}

/** A row beside those of the products; `when` is a CEL condition. */
type ExtraRow = { readonly id: string; readonly title: string; readonly when?: string }

/** The products of `variable` as rows with their prices, and more rows after them. */
export function rowsOf(variable: string, extra: readonly ExtraRow[] = []): string {
  const products = `${variable}.products.map(p, {"id": p.id, "title": truncate(p.name, 24), "description": money(p.price_minor, p.currency)})`
  const more = extra.map(({ id, title, when }) => {
    const row = `[{"id": ${JSON.stringify(id)}, "title": ${JSON.stringify(title)}}]`
    return when === undefined ? row : `(${when} ? ${row} : [])`
  })
  return `{{${[products, ...more].join(' + ')}}}`
}

/** When the business opens next, to stand after "we are closed"; empty where that is not known. */
export function opensNext(texts: readonly string[]): string {
  const [lead, today, tomorrow, weekday, date, at] = texts
  const days = 'daysBetween(now, business.opens_at)'
  const day = `(${days} == 0 ? "${today}" : ${days} == 1 ? "${tomorrow}" : ${days} < 7 ? ${weekday} : ${date})`
  return `{{business.opens_at == null ? "" : "${lead}" + ${day} + "${at}" + formatTime(business.opens_at)}}`
}

type CartTexts = { readonly [key in 'quantity' | 'quantity_retry' | 'short' | 'failed']: string }

/** Where the steps of `addToCart` lead: done, refused, not understood, and when nothing is answered. */
type CartTargets = { readonly [key in 'added' | 'back' | 'lost' | 'silent']: string }

/** Asks how many of `product` and puts them into the cart, which is then in `cart`; begins at the step `quantity`. */
export function addToCart(t: CartTexts, { added, back, lost, silent }: CartTargets) {
  return {
    quantity: {
      type: 'question',
      content: text(t.quantity),
      variable: 'quantity',
      answer: { type: 'integer', min: 1, max: 99 },
      retry: retryOf(t.quantity_retry, lost),
      timeout: timeout(silent),
      next: 'add',
    },
    add: {
      type: 'action',
      handler: 'cart.add',
      input: { product_id: '{{product_id}}', quantity: '{{quantity}}' },
      variable: 'cart',
      next: added,
      error: 'not_added',
    },
    not_added: { type: 'decision', condition: 'error.code == "out_of_stock"', true: 'short', false: 'failed' },
    short: message(t.short, back),
    failed: message(t.failed, back),
  } as const
}
