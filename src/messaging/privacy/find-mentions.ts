import type { Person } from './person.ts'

const uuidsIn = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const numbersIn = /\d{7,}/g
/** Anything shorter may stand anywhere by chance. */
const lengthMin = 6

/**
 * Says of texts whether they mention somebody: by an id of theirs, a phone however its country's sign is written, an e-mail
 * address, or what else WhatsApp knows them by. Not by their name, which others may have. `ids`: those that count.
 */
export function makeMentions(person: Person, ids: Iterable<string>): (text: string) => boolean {
  const known = new Set(ids)
  const phones = person.identities.filter(one => one.kind === 'phone').map(one => one.value.slice(1))
  const numbers = new Set(phones)
  const words = [...person.emails, ...person.identities.filter(one => one.kind !== 'phone').map(one => one.value)]
    .filter(word => word.length >= lengthMin)
    .map(word => word.toLowerCase())
  return text => {
    for (const [id] of text.matchAll(uuidsIn)) if (known.has(id)) return true
    for (const [number] of text.matchAll(numbersIn)) if (numbers.has(number)) return true
    const folded = words.length === 0 ? '' : text.toLowerCase()
    return words.some(word => folded.includes(word))
  }
}

/** A text without what names somebody in it. */
export function withoutPerson(text: string, person: Person): string {
  const phones = person.identities.filter(one => one.kind === 'phone').map(one => one.value)
  const words = [
    ...person.names,
    ...person.emails,
    ...person.identities.map(one => one.value),
    ...phones.map(withoutSign),
  ]
  return words
    .filter(word => word.trim().length > 1)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, word) => rest.replaceAll(new RegExp(RegExp.escape(word), 'giu'), '…'), text)
}

function withoutSign(phone: string): string {
  return phone.replace(/^\+/, '')
}
