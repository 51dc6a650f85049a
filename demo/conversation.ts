import * as v from 'valibot'
import { call } from './http.ts'
import type { Shop } from './remember.ts'
import { describeOrder, type Session } from './shop.ts'

type Urls = { readonly adapter: string; readonly emulator: string }

const replyMsMax = 20_000

const rows = v.array(v.object({ id: v.string(), title: v.string(), description: v.optional(v.string()) }))
const content = v.looseObject({
  type: v.string(),
  text: v.optional(v.string()),
  buttons: v.optional(rows),
  sections: v.optional(v.array(v.object({ rows }))),
})
const messages = v.object({
  data: v.array(v.object({ seq: v.number(), direction: v.string(), content })),
})
type Content = v.InferOutput<typeof content>

/** The customer's lines: what is tapped is looked up in what the bot sent last. */
const script: readonly { readonly say: string; readonly tap?: true; readonly replies: number }[] = [
  { say: 'hola', replies: 1 },
  { say: 'Hacer un pedido', tap: true, replies: 1 },
  { say: 'Café con leche', tap: true, replies: 1 },
  { say: 'muchos', replies: 1 },
  { say: '2', replies: 1 },
  { say: 'Añadir más', tap: true, replies: 1 },
  { say: 'Tarta de queso', tap: true, replies: 1 },
  { say: '1', replies: 1 },
  { say: 'Confirmar', tap: true, replies: 1 },
]

/** Plays the customer of one order, and prints both sides as they come. Throws where the bot does not answer. */
export async function playConversation(
  urls: Urls,
  shop: Shop,
  session: Session,
  print: (line: string) => void,
): Promise<void> {
  const phone = `${urls.emulator}/emulator`
  const chat = `${phone}/chats/${shop.number}/${shop.customer}`
  let seq = 0
  let last: Content | undefined
  print('')
  print(`  One conversation, through signed webhooks to ${urls.adapter}/webhooks/meta/${shop.botId}`)
  print('')
  for (const line of script) {
    print(`  Ana  ${line.tap ? `[${line.say}]` : line.say}`)
    const written = await call(
      v.object({ seq: v.number() }),
      'POST',
      `${phone}/customers/${shop.customer}/messages?number=${shop.number}`,
      {
        body: { ...(line.tap ? tap(last, line.say) : { type: 'text', text: line.say }), profile_name: 'Ana' },
      },
    )
    seq = Math.max(seq, written.seq)
    for (const reply of await waitForReplies(chat, seq, line.replies)) {
      seq = Math.max(seq, reply.seq)
      last = reply.content
      for (const text of describe(reply.content)) print(`                                   ${text}`)
    }
  }
  const [order] = await session.orders()
  if (order === undefined) throw new Error('The conversation ended without an order')
  print('')
  print(`  Order in the database: ${describeOrder(order).trim()}`)
}

async function waitForReplies(chat: string, after: number, count: number) {
  for (const until = Date.now() + replyMsMax; Date.now() < until; ) {
    const { data } = await call(messages, 'GET', `${chat}/messages?after=${after}&wait=1000`)
    const replies = data.filter(message => message.direction === 'outbound')
    if (replies.length >= count) return replies
    // Some are here, the rest is on its way: the long poll would answer at once.
    if (data.length > 0) await Bun.sleep(20)
  }
  throw new Error(`The bot did not answer within ${replyMsMax / 1000} s: see ${chat}/messages`)
}

function tap(last: Content | undefined, title: string) {
  const offered = [...(last?.buttons ?? []), ...(last?.sections?.flatMap(section => section.rows) ?? [])]
  const choice = offered.find(one => one.title === title)
  if (choice === undefined) throw new Error(`The bot did not offer "${title}"`)
  return { type: 'choice', of: last?.type === 'list' ? 'list' : 'button', id: choice.id, title }
}

function describe(shown: Content): string[] {
  const offered = [...(shown.buttons ?? []), ...(shown.sections?.flatMap(section => section.rows) ?? [])]
  const lines = offered.map(({ title, description }) => `  [${title}]${description ? `  ${description}` : ''}`)
  return [shown.text ?? `(${shown.type})`, ...lines]
}
