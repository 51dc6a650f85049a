/**
 * The value of `X-Twilio-Signature` ("Webhooks security" of Twilio's documentation): over the full public address with
 * its query, followed by every field of a form, sorted by name, each name followed by its value. A field that comes
 * several times counts with each different value, sorted.
 */
export function twilioSignature(authToken: string, url: string, fields: Iterable<readonly [string, string]>): string {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of fields) values.set(name, (values.get(name) ?? new Set()).add(value))
  const names = [...values.keys()].sort()
  const data = names
    .map(name =>
      [...(values.get(name) ?? [])]
        .sort()
        .map(value => name + value)
        .join(''),
    )
    .join('')
  return new Bun.CryptoHasher('sha1', authToken).update(url + data).digest('base64')
}
