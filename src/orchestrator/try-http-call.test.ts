import { expect, test } from 'bun:test'
import type { HttpCall } from '../commerce/actions/http-request.ts'
import { tryHttpCall } from './try-http-call.ts'

const secret = 'sk/live+Ab"C/dé 12345=='

const call: HttpCall = {
  ...{ method: 'GET', url: 'https://echo.example/', body: null, timeout_ms: 1_000, pick: null, accept_errors: true },
  headers: { Authorization: { secret: 'KEY', prefix: 'Bearer ' } },
}

/** What a flow gets of an answer, as JSON. */
async function bodyOf(type: string, text: string, headers: Record<string, string> = {}): Promise<string> {
  const tried = await tryHttpCall(call, {
    fetch: async () => new Response(text, { headers: { 'content-type': type, ...headers } }),
    secrets: new Map([['KEY', secret]]),
    ...{ key: 'k', nowMs: 0, stop: new AbortController().signal },
  })
  return JSON.stringify('result' in tried && tried.result.ok ? tried.result.value : null)
}

const quoted = JSON.stringify(secret)
const everyCharacter = (write: (unit: string) => string) => secret.split('').map(write).join('')
const unicode = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

test.each([
  ['as it is', 'application/json', `{"got":${quoted}}`],
  ['with \\/, as PHP writes it', 'application/json', `{"got":${quoted.replaceAll('/', '\\/')}}`],
  ['with \\u002B, as .NET writes it', 'application/json', `{"got":${quoted.replaceAll('+', '\\u002B')}}`],
  ['in \\u escapes altogether', 'application/json', `{"got":"${everyCharacter(unicode)}"}`],
  ['as a key', 'application/json', `{${quoted.replaceAll('/', '\\/')}:1}`],
  ['in JSON that is in JSON', 'application/json', JSON.stringify({ log: `{"a":${quoted.replaceAll('/', '\\/')}}` })],
  ['in JSON that says that it is text', 'text/plain', `{"got":${quoted.replaceAll('+', '\\u002b')}}`],
  ['percent-encoded', 'text/plain', `bad token ${encodeURIComponent(secret)}`],
  [
    'percent-encoded in small letters',
    'application/json',
    `{"got":"${encodeURIComponent(secret).replace(/%../g, hex => hex.toLowerCase())}"}`,
  ],
  ['as a form', 'text/plain', `${new URLSearchParams({ token: secret })}`],
  ['in a page', 'text/html', `<p>${secret.replaceAll('"', '&quot;').replaceAll('+', '&#x2B;')}</p>`],
])('a secret that is echoed %s is hidden', async (_, type, text) => {
  const body = await bodyOf(type, text)
  expect(body).toContain('••••')
  expect(body).not.toContain('12345')
})

test('a header that holds the secret in any of these ways is left out', async () => {
  const body = await bodyOf('text/plain', 'ok', { location: `/?t=${encodeURIComponent(secret)}`, etag: '"1"' })
  expect(body).toContain('etag')
  expect(body).not.toContain('12345')
})

test('what else is in the answer stays as it was', async () => {
  const answer = { n: 12.5, big: [1e21, null, true], text: 'sk/live', got: secret }
  const text = `{"n":12.5,"big":[1e21,null,true],"text":"sk/live","got":${quoted}}`
  expect(JSON.parse(await bodyOf('application/json', text)).body).toEqual({ ...answer, got: '••••' })
  expect(JSON.parse(await bodyOf('text/plain', '{ "a": 1.0 }')).body).toBe('{ "a": 1.0 }')
})

test('JSON that is nested too deeply to be looked through is hidden in as a text', async () => {
  const body = await bodyOf('application/json', `${'['.repeat(100_000)}${quoted}`)
  expect(body).not.toContain('12345')
})
