import { afterEach, expect, test } from 'bun:test'
import { metaProvider } from '../meta.ts'
import { botWith, partsWith } from '../provider.fixture.ts'

const config = { phone_number_id: '100000000000010', access_token: 'token', app_secret: 's', verify_token: 'v' }

const bot = botWith(config)

function providerAt(META_BASE_URL: string) {
  return metaProvider(partsWith({ META_BASE_URL }))
}

let server: ReturnType<typeof Bun.serve> | undefined
afterEach(() => server?.stop(true))

/** What is found out where Meta answers so. */
async function check(answer: Response | ((request: Request) => Response | Promise<Response>), timeoutMs = 2_000) {
  const fetch = typeof answer === 'function' ? answer : () => answer
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch })
  const provider = providerAt(`http://127.0.0.1:${server.port}/v25.0`)
  const result = await provider.getStatus(bot, AbortSignal.timeout(timeoutMs))
  return { reason: null, ...result }
}

function refused(code: number, more: object = {}) {
  return Response.json({ error: { message: `(#${code}) Meta's words`, code, ...more } }, { status: 400 })
}

const number = { id: '100000000000010', verified_name: 'Shop', display_phone_number: '12025550100' }

test('the number is read under the token, and only read', async () => {
  const asked: (string | null)[] = []
  const result = await check(({ method, url, headers }) => {
    const { pathname, searchParams } = new URL(url)
    asked.push(method, pathname, searchParams.get('fields'), headers.get('authorization'))
    return Response.json({ ...number, quality_rating: 'GREEN' })
  })
  expect(result).toEqual({ kind: 'connected', reason: null })
  const fields = 'verified_name,display_phone_number,quality_rating'
  expect(asked).toEqual(['GET', '/v25.0/100000000000010', fields, 'Bearer token'])
})

test('a token that is refused, a number that is not there and an account that is locked are told apart in words', async () => {
  for (const [code, words] of [
    [190, 'Meta refuses the access token'],
    [0, 'Meta refuses the access token'],
    [100, 'reaches no number of this phone_number_id'],
    [131031, 'Meta has blocked or locked the account'],
    [12345, 'with code 12345'],
  ] as const) {
    const result = await check(refused(code))
    expect([code, result?.kind]).toEqual([code, 'refused'])
    expect(result?.reason).toContain(words)
    expect(result?.reason).toContain("Meta's words")
  }
})

test('something that is no phone number is refused', async () => {
  const result = await check(Response.json({ id: '1', name: 'A business account' }))
  expect(result).toMatchObject({ kind: 'refused', reason: expect.stringContaining('no phone number') })
})

test('a token that may send but not read the number is let send, and the reason says so', async () => {
  for (const code of [3, 10, 200, 299]) {
    const result = await check(refused(code))
    expect(result).toMatchObject({ kind: 'connected', reason: expect.stringContaining('permission') })
  }
})

test('what passes is asked again, after a while that fits it', async () => {
  for (const [code, pace] of [
    [1, 'soon'],
    [2, 'soon'],
    [4, 'later'],
    [80007, 'later'],
  ] as const)
    expect(await check(refused(code))).toMatchObject({ kind: 'retry', pace })
  expect(await check(refused(99_999, { is_transient: true }))).toMatchObject({ kind: 'retry' })
})

test('no answer, and one that is not Meta’s, say nothing of the bot', async () => {
  expect(await check(new Response('<html>Bad gateway</html>', { status: 502 }))).toMatchObject({ kind: 'retry' })
  expect(await check(new Response(null, { status: 302, headers: { location: '/' } }))).toMatchObject({ kind: 'retry' })
  expect(await check(() => Bun.sleep(1_000).then(() => new Response()), 50)).toMatchObject({ kind: 'retry' })
  const closed = providerAt('http://127.0.0.1:1/v25.0')
  expect(await closed.getStatus(bot, AbortSignal.timeout(1_000))).toMatchObject({ kind: 'retry' })
})
