import { isUuid } from '../lib/ids.ts'

/** What a status is about: a message, or one of the parts that it went out in but for the last. */
export type Reference = {
  readonly conversationId: string
  readonly messageId: string
  readonly part: number | null
}

/** What a send gives to the provider, to be handed back with each status. `part`: null for the last, or the only one. */
export function referenceFor(conversationId: string, messageId: string, part: number | null): string {
  return part === null ? `${conversationId}/${messageId}` : `${conversationId}/${messageId}/${part}`
}

/** What `referenceFor` made, come back; null for anything else. */
export function readReference(reference: string | null): Reference | null {
  const [conversationId = '', messageId = '', part = null, ...rest] = reference?.split('/') ?? []
  if (!isUuid(conversationId) || !isUuid(messageId) || rest.length > 0) return null
  if (part !== null && !/^\d{1,3}$/.test(part)) return null
  return { conversationId, messageId, part: part === null ? null : Number(part) }
}
