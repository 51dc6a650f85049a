/** What WhatsApp's refusal of a message means (Baileys 7.0.0-rc14, `NACK_REASONS` and `SERVER_ERROR_CODES`). */
const refusals: ReadonlyMap<string, string> = new Map([
  [
    '463',
    'WhatsApp keeps this account from starting new chats for a while: write only to customers who wrote first. Trying again makes it longer.',
  ],
  ['479', 'WhatsApp refused the message as malformed, or meant for a device that the customer has no more.'],
  ['487', 'WhatsApp could not read the message.'],
  ['488', 'WhatsApp does not know this kind of message.'],
  ['489', 'WhatsApp does not know this class of message.'],
  ['490', 'WhatsApp does not know this type of message.'],
  ['491', 'WhatsApp could not read the content of the message.'],
  ['493', 'WhatsApp does not take such a message from a linked device.'],
  ['495', 'WhatsApp misses a secret that belongs to the message.'],
  ['496', 'WhatsApp has seen a newer message of this session: the session goes on with the next one.'],
  ['499', 'The message that it belongs to was deleted.'],
  ['500', 'WhatsApp could not take the message, and does not say why.'],
  ['550', 'WhatsApp does not let this account take the message back.'],
  ['551', 'WhatsApp does not take such a message in this group.'],
  ['552', 'WhatsApp could not store the message.'],
])

/** A sentence for a code of WhatsApp's; '' where it named none. */
export function refusalText(code: string): string {
  if (code === '') return 'WhatsApp refused the message, and does not say why.'
  return refusals.get(code) ?? `WhatsApp refused the message (code ${code}).`
}
