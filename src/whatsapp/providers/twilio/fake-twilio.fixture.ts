import type { OutboundContent } from '../../../flow/content.ts'
import type { BotConfig, Memo, OutboundFile, SendResult } from '../../provider.ts'
import { makeSendMessage } from './send-message.ts'
import { account, bot, noMemo, partsAt } from './webhooks.fixture.ts'

/** A request as it arrived: what a form says by field, JSON as it is. */
export type Asked = {
  readonly method: string
  readonly path: string
  readonly authorization: string | null
  readonly body: unknown
}

export type Answer = (asked: Asked) => Response | Promise<Response>

/** A server at Twilio's place on the loopback. It answers as it is told, and says what it was asked. */
export async function withTwilio<T>(
  answer: Answer,
  work: (baseUrl: string, asked: readonly Asked[]) => Promise<T>,
): Promise<T> {
  const asked: Asked[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, search } = new URL(request.url)
      const { method, headers } = request
      const authorization = headers.get('authorization')
      const body = readBody(headers.get('content-type') ?? '', await request.text())
      asked.push({ method, path: `${pathname}${search}`, authorization, body })
      return await answer({ method, path: `${pathname}${search}`, authorization, body })
    },
  })
  try {
    return await work(`http://127.0.0.1:${server.port}`, asked)
  } finally {
    await server.stop(true)
  }
}

function readBody(type: string, text: string): unknown {
  if (type.startsWith('application/json')) return JSON.parse(text)
  return text === '' ? null : Object.fromEntries(new URLSearchParams(text))
}

/** An error as Twilio's API of 2010 says it. */
export function refusal(status: number, code: number, message = "Twilio's words"): Response {
  return Response.json({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status }, { status })
}

/** A resource that was made. */
export function made(sid: string): Response {
  return Response.json({ sid, status: 'queued', error_code: null, error_message: null }, { status: 201 })
}

/** Where messages are made. */
export const messagesPath = `/2010-04-01/Accounts/${account}/Messages.json`

export type SendOptions = {
  readonly timeoutMs?: number
  readonly file?: OutboundFile
  readonly bot?: { readonly tenantId: string; readonly id: string; readonly config: BotConfig }
  readonly memo?: Memo
}

/** Sends a content to a Twilio that answers like this. */
export async function sendTo(
  answer: Answer,
  content: OutboundContent,
  { timeoutMs = 2_000, file, bot: given = bot, memo = noMemo }: SendOptions = {},
): Promise<{ readonly result: SendResult; readonly asked: readonly Asked[] }> {
  return await withTwilio(answer, async (baseUrl, asked) => {
    const sendMessage = makeSendMessage(partsAt(baseUrl, memo))
    const to = { kind: 'phone', value: '+12025550143' } as const
    const message = { to, content, file: file ?? null, reference: 'conversation/message' }
    return { result: await sendMessage(message, given, AbortSignal.timeout(timeoutMs)), asked }
  })
}

export function pathsOf(asked: readonly Asked[]): string[] {
  return asked.map(({ path }) => path)
}
