import { expect, test } from 'bun:test'
import { twilioProvider } from '../twilio.ts'
import { type Answer, refusal, withTwilio } from './fake-twilio.fixture.ts'
import { account, bot, partsAt, token } from './webhooks.fixture.ts'

async function check(answer: Answer, timeoutMs = 2_000) {
  return await withTwilio(answer, async (baseUrl, asked) => {
    const connection = await twilioProvider(partsAt(baseUrl)).getStatus(bot, AbortSignal.timeout(timeoutMs))
    expect(asked).toEqual([
      {
        method: 'GET',
        path: `/2010-04-01/Accounts/${account}.json`,
        authorization: `Basic ${btoa(`${account}:${token}`)}`,
        body: null,
      },
    ])
    return connection
  })
}

test('an account that is active may send', async () => {
  const connection = await check(() => Response.json({ sid: account, status: 'active', type: 'Full' }))
  expect(connection).toEqual({ kind: 'connected', reason: null })
})

test('one that is suspended or closed may not, until a person acts', async () => {
  for (const status of ['suspended', 'closed'])
    expect(await check(() => Response.json({ sid: account, status }))).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(status),
    })
})

test('a wrong SID or token, an account that is not active, and one that is not there are refused', async () => {
  for (const [status, code, words] of [
    [401, 20003, 'refuses the account SID or the auth token'],
    [403, 20005, 'is not active'],
    [404, 20404, 'knows no account'],
    [403, 99_999, "Twilio's words"],
  ] as const)
    expect(await check(() => refusal(status, code))).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(words),
    })
})

test('what passes is asked again', async () => {
  expect(await check(() => refusal(429, 20429))).toMatchObject({ kind: 'retry', pace: 'soon' })
  expect(await check(() => refusal(500, 20500))).toMatchObject({ kind: 'retry', pace: 'soon' })
})

test('no answer, and one that is not Twilio’s, say nothing of the account', async () => {
  expect(await check(() => new Response('<html>Bad gateway</html>', { status: 502 }))).toMatchObject({ kind: 'retry' })
  expect(await check(() => Response.json({ friendly_name: 'x' }))).toMatchObject({ kind: 'retry' })
  expect(await check(() => new Response(null, { status: 302, headers: { location: '/' } }))).toMatchObject({
    kind: 'retry',
  })
  expect(await check(() => new Promise(() => undefined), 50)).toMatchObject({ kind: 'retry' })
  const gone = twilioProvider(partsAt('http://127.0.0.1:1'))
  expect(await gone.getStatus(bot, AbortSignal.timeout(1_000))).toMatchObject({ kind: 'retry', pace: 'soon' })
})
