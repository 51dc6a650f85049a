import * as v from 'valibot'
import { type Content, contentSchema } from './records.ts'
import type { Chat } from './world.ts'

type Choice = Extract<Content, { type: 'choice' }>

/** What a customer writes, and the message it answers where it is a tap on one. */
export type Written = { readonly content: Content; readonly replyTo: string | null }

const tapSchema = v.object({
  type: v.literal('choice'),
  id: v.string(),
  title: v.exactOptional(v.string()),
  description: v.exactOptional(v.string()),
  of: v.exactOptional(v.picklist(['button', 'list', 'template'])),
})

const botsOnly: readonly Content['type'][] = ['buttons', 'list', 'template']

/**
 * Reads content as the control API takes it: media by `url` or `link`, a contact's name and phones as plain texts
 * or as Meta nests them. Of a choice the `id` is enough: the rest is taken from the message that offers it, which
 * is `replyTo` or else the newest that does. Returns the issues where it is none of the contents a customer sends.
 */
export function readWritten(input: unknown, chat: Chat | null, replyTo: string | null) {
  if (isObject(input) && input.type === 'choice') {
    const tap = v.safeParse(tapSchema, input)
    if (!tap.success) return { kind: 'invalid', reason: reasonOf(tap.issues[0]) } as const
    return { kind: 'written', written: completeTap(tap.output, chat, replyTo) } as const
  }
  const parsed = v.safeParse(contentSchema, withPlainNames(input))
  if (!parsed.success) return { kind: 'invalid', reason: reasonOf(parsed.issues[0]) } as const
  if (botsOnly.includes(parsed.output.type)) {
    return { kind: 'invalid', reason: `type: customers do not send ${parsed.output.type}` } as const
  }
  return { kind: 'written', written: { content: parsed.output, replyTo } satisfies Written } as const
}

/** One issue as a sentence: where, and what. */
export function reasonOf(issue: v.BaseIssue<unknown>): string {
  return `${v.getDotPath(issue) ?? 'The body'}: ${issue.message}`
}

function completeTap(tap: v.InferOutput<typeof tapSchema>, chat: Chat | null, replyTo: string | null): Written {
  const messages = chat?.messages ?? []
  const asked = messages.filter(({ id }) => replyTo === null || id === replyTo)
  const offering = asked.findLast(({ content }) => offersOf(content).some(({ id }) => id === tap.id))
  const offer = offering === undefined ? undefined : offersOf(offering.content).find(({ id }) => id === tap.id)
  const choice: Choice = { title: tap.id, of: 'button', ...offer, ...tap }
  return { content: choice, replyTo: offering?.id ?? replyTo }
}

function offersOf(content: Content): Choice[] {
  switch (content.type) {
    case 'buttons':
      return content.buttons.map(button => ({ type: 'choice', of: 'button', ...button }))
    case 'list':
      return content.sections.flatMap(({ rows }) => rows.map(row => ({ type: 'choice' as const, of: 'list', ...row })))
    case 'template':
      return content.buttons.map(button => ({ type: 'choice', of: 'template', ...button }))
    default:
      return []
  }
}

function withPlainNames(input: unknown): unknown {
  if (!isObject(input)) return input
  if (input.type === 'contacts' && Array.isArray(input.contacts)) {
    return { ...input, contacts: input.contacts.map(plainContact) }
  }
  return typeof input.url === 'string' ? { link: input.url, ...input } : input
}

function plainContact(contact: unknown): unknown {
  if (!isObject(contact)) return contact
  const { name, phones = [] } = contact
  return {
    name: isObject(name) ? name.formatted_name : name,
    phones: Array.isArray(phones) ? phones.map(each => (isObject(each) ? each.phone : each)) : phones,
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
