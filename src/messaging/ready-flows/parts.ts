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

/** The lines of the cart, in the language of the business: "2 × Café: 5,00 EUR". */
export const cartLines =
  '{{cart.items.map(i, string(i.quantity) + " × " + i.name + ": " + money(i.line_minor, cart.currency)).join("\\n")}}'
