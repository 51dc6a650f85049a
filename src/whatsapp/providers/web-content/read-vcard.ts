/** The name and the phones of a vCard (RFC 6350, and 2.1 and 3.0 before it). `name` is '' where it has none. */
export type VCard = { readonly name: string; readonly phones: readonly string[] }

/** Beyond it, a card is not read: pictures may be in it. */
const linesMax = 1_000

export function readVCard(vcard: string): VCard {
  const properties = unfold(vcard)
    .split(/\r\n|\r|\n/, linesMax)
    .map(readLine)
  const valuesOf = (name: string) =>
    properties.flatMap(one => (one?.name === name && one.value !== '' ? one.value : []))
  return { name: valuesOf('FN')[0] ?? '', phones: [...new Set(valuesOf('TEL'))] }
}

/** A line that begins with a space goes on with the one before. */
function unfold(vcard: string): string {
  return vcard.replace(/(\r\n|\r|\n)[ \t]/g, '')
}

/** `item1.TEL;type=CELL;waid=447700900123:+44 7700 900123`; null where a line is none. */
function readLine(line: string): { readonly name: string; readonly value: string } | null {
  const [, name, value] = /^(?:[\w-]+\.)?([A-Za-z-]+)(?:;(?:"[^"]*"|[^":])*)?:(.*)$/.exec(line) ?? []
  if (name === undefined || value === undefined) return null
  return { name: name.toUpperCase(), value: plainOf(value).replace(/^tel:/i, '').trim() }
}

function plainOf(value: string): string {
  return value.replace(/\\([\\,;:nN])/g, (_, escaped: string) => (/n/i.test(escaped) ? ' ' : escaped))
}
