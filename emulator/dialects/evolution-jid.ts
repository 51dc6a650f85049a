import type { BusinessNumber, Customer } from '../records.ts'
import type { World } from '../world.ts'
import { accountOf } from './accounts.ts'

/** How a customer is addressed at a number: the address in front, and the other one where it is known. */
export type Addressed = {
  readonly remoteJid: string
  readonly remoteJidAlt: string | null
  readonly mode: 'pn' | 'lid'
}

/** The address of a phone: `12025550143@s.whatsapp.net`. */
export function phoneJid(digits: string): string {
  return `${digits}@s.whatsapp.net`
}

export function ownJid({ display_phone_number }: BusinessNumber): string {
  return phoneJid(display_phone_number.replace(/\D/g, ''))
}

/** Who hides the phone is known by the LID alone. */
export function addressed(number: BusinessNumber, customer: Customer): Addressed {
  const lid = `${lidOf(customer)}@lid`
  const phone = customer.hide_phone || customer.wa_id === null ? null : phoneJid(customer.wa_id)
  if (phone === null) return { remoteJid: lid, remoteJidAlt: null, mode: 'lid' }
  if (accountOf(number, 'evolution').addressing === 'lid') return { remoteJid: lid, remoteJidAlt: phone, mode: 'lid' }
  return { remoteJid: phone, remoteJidAlt: lid, mode: 'pn' }
}

/** The customer whom an address names, with or without its host; made where it is a phone that is new. */
export function customerAt(world: World, make: (phone: string) => Customer, address: string): Customer | null {
  const [name = '', host = 's.whatsapp.net'] = address.trim().split('@')
  if (host === 'lid') return customerOfLid(world, name)
  const digits = name.replace(/^\+|[\s().-]/g, '')
  return (host === 's.whatsapp.net' || host === 'c.us') && /^\d{5,15}$/.test(digits) ? make(digits) : null
}

/** WhatsApp makes LIDs at random. Here one follows from the customer: it begins with 2 for a phone, with 3 for others. */
function lidOf({ wa_id, user_id }: Customer): string {
  return wa_id === null ? `3${Bun.hash(user_id)}` : `2${wa_id}`
}

function customerOfLid(world: World, lid: string): Customer | null {
  if (lid.startsWith('2')) return world.customer(lid.slice(1))
  for (const customer of world.customers()) if (lidOf(customer) === lid) return customer
  return null
}
