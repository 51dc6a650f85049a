import { createHmac } from 'node:crypto'
import { equalTexts } from '../lib/crypto.ts'

/** How long a link can be used. */
export const mediaLinkMs = 3_600_000

const path = '/media'

/** What a link says. */
export type MediaLink = {
  readonly tenantId: string
  readonly id: string
  readonly expires: string
  readonly signature: string
}

/**
 * Addresses of files that anybody who has one can read, for a while, and whom nobody else can make: each is signed
 * (HMAC-SHA256) under a key of its own, made from `ENCRYPTION_KEY`. The adapter answers them.
 */
export type MediaLinks = {
  /** The address of a file until `expiresAt`, to the second. */
  linkTo(file: { readonly tenantId: string; readonly id: string }, expiresAt: Date): string
  /** `wrong`: not made here, or changed since. Takes the same time wherever a signature differs. */
  verify(link: MediaLink, now: Date): 'valid' | 'expired' | 'wrong'
}

export function makeMediaLinks(options: { readonly encryptionKey: string; readonly publicUrl: string }): MediaLinks {
  const key = createHmac('sha256', options.encryptionKey).update('dashoffice:media-links').digest()

  function signatureOf(tenantId: string, id: string, expires: string): string {
    return createHmac('sha256', key)
      .update(JSON.stringify([tenantId, id, expires]))
      .digest('base64url')
  }

  return {
    linkTo({ tenantId, id }, expiresAt) {
      const expires = String(Math.floor(expiresAt.getTime() / 1_000))
      const query = `expires=${expires}&signature=${signatureOf(tenantId, id, expires)}`
      return `${options.publicUrl}${path}/${tenantId}/${id}?${query}`
    },
    verify({ tenantId, id, expires, signature }, now) {
      if (!equalTexts(signature, signatureOf(tenantId, id, expires))) return 'wrong'
      return Number(expires) * 1_000 > now.getTime() ? 'valid' : 'expired'
    },
  }
}
