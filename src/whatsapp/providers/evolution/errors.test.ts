import { describe, expect, test } from 'bun:test'
import {
  botAt,
  providerForTests,
  refusal,
  serveEvolution,
  soon,
  unlicensed,
} from '../../../../test/support/evolution.ts'
import type { SendResult } from '../../provider.ts'

const provider = providerForTests()

/** What a text came to that was answered like this. */
async function sendAnswered(response: Response): Promise<SendResult> {
  await using server = serveEvolution(() => response)
  const content = { type: 'text', text: 'Hola' } as const
  const message = { to: { kind: 'phone', value: '+12025550143' }, content, file: null, reference: 'r' } as const
  return await provider.sendMessage(message, botAt(server.url), soon())
}

describe('an error', () => {
  const kindOf = (result: SendResult) => (result.kind === 'retry' ? result.pace : result.kind)
  const cases: [string, Response, string, string][] = [
    [
      'a number without WhatsApp',
      refusal(400, [{ jid: '1@s.whatsapp.net', exists: false, number: '1' }]),
      'failed',
      'not_on_whatsapp',
    ],
    ['a closed connection', refusal(400, ['Error: Connection Closed']), 'not_ready', 'connection_closed'],
    ['the same from within', refusal(500, 'Connection Closed'), 'not_ready', 'connection_closed'],
    ['WhatsApp being silent', refusal(400, ['Error: Timed Out']), 'not_ready', 'connection_closed'],
    ['a broken connection', refusal(400, ['Error: read ECONNRESET']), 'not_ready', 'connection_closed'],
    [
      'an instance that never connected',
      refusal(500, ["Cannot read properties of undefined (reading 'onWhatsApp')"]),
      'not_ready',
      'connection_closed',
    ],
    ['a missing field', refusal(400, [['requires property "text"']]), 'failed', 'invalid'],
    [
      'an address that it does not take',
      refusal(400, ['Owned media must be a url or base64']),
      'failed',
      'media_address',
    ],
    [
      'another kind of instance',
      refusal(400, ['Method not available on WhatsApp Business API']),
      'failed',
      'not_available',
    ],
    ['a known fault of its own', refusal(400, ['TypeError: this.isZero is not a function']), 'failed', 'isZero'],
    [
      'a file that is not there',
      refusal(500, ['AxiosError: Request failed with status code 404']),
      'failed',
      'media_refused',
    ],
    [
      'a file that does not come now',
      refusal(500, ['AxiosError: connect ECONNREFUSED 192.0.2.1:443']),
      'soon',
      'media_unreachable',
    ],
    [
      'a file of a busy server',
      refusal(500, ['AxiosError: Request failed with status code 503']),
      'soon',
      'media_unreachable',
    ],
    [
      'a database that failed after the send',
      refusal(400, ['Error: Invalid `this.prismaRepository.message.create()` invocation']),
      'unknown',
      'not_stored',
    ],
    ['a wrong key', refusal(401, 'Unauthorized'), 'account', 'unauthorized'],
    ['a key of another instance', refusal(403, ['Forbidden']), 'account', 'forbidden'],
    ['a missing instance', refusal(404, ['The "shop 1" instance does not exist']), 'account', 'not_found'],
    ['another server', new Response('<h1>Not Found</h1>', { status: 404 }), 'account', 'not_found'],
    [
      'a redirect',
      new Response(null, { status: 301, headers: { location: 'https://x.test/' } }),
      'account',
      'redirected',
    ],
    ['a licence that is missing', unlicensed(), 'not_ready', 'license_required'],
    ['a file that is too large', new Response('', { status: 413 }), 'failed', 'too_large'],
    ['too much at once', new Response('', { status: 429 }), 'soon', 'http_429'],
    ['a server that starts', new Response('', { status: 503 }), 'soon', 'http_503'],
    ['anything else that it refuses', refusal(400, ['Error: no']), 'failed', 'http_400'],
    ['anything else that went wrong', refusal(500, ['Error: no']), 'soon', 'http_500'],
    ['a gateway', new Response('Bad Gateway', { status: 502 }), 'unknown', 'http_502'],
    ['an answer that says nothing', Response.json({}, { status: 201 }), 'unknown', 'http_201'],
  ]
  for (const [name, response, kind, code] of cases)
    test(name, async () => {
      const result = await sendAnswered(response)
      expect([kindOf(result), 'error' in result && result.error.code]).toEqual([kind, code])
      expect('error' in result && result.error.message).toMatch(/^[A-Z].*[.)]$/s)
    })

  test("has Evolution's own words after ours", async () => {
    const result = await sendAnswered(refusal(400, [['requires property "text"', 'requires property "number"']]))
    expect(result).toMatchObject({
      error: {
        message: 'Evolution refuses a value of the message. (requires property "text"; requires property "number")',
      },
    })
  })
})
