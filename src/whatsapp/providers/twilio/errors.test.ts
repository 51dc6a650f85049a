import { describe, expect, test } from 'bun:test'
import { classify, explain, readTwilioError } from './errors.ts'

function kindOf(code: number, status = 400): string {
  const result = classify({ code: String(code), details: '', status })
  return result.kind === 'retry' ? result.pace : result.kind
}

describe('the code decides what to do', () => {
  const classes = {
    account: [10001, 20003, 20005, 21609, 63001, 63007, 63020, 63022, 63051],
    soon: [20429, 20500, 20503],
    later: [21611, 30001, 63010, 63012, 63018, 63023, 63038],
    failed: [
      20404, 21211, 21212, 21608, 21610, 21614, 21617, 21620, 21654, 21655, 21656, 21910, 63003, 63005, 63013, 63014,
      63016, 63019, 63021, 63024, 63027, 63028, 63029, 63030, 63032, 63033, 63049, 92006,
    ],
  }

  for (const [kind, codes] of Object.entries(classes))
    test(kind, () => {
      // Whatever the HTTP status says.
      for (const code of codes) expect([code, kindOf(code, 400), kindOf(code, 500)]).toEqual([code, kind, kind])
    })

  test('each says in a sentence of its own what it means', () => {
    const unknown = explain({ code: '1', details: '' }).message
    for (const code of Object.values(classes).flat()) {
      const { message } = explain({ code: String(code), details: '' })
      expect([code, message]).not.toEqual([code, unknown])
      expect(message).toMatch(/^[A-Z].*[^.]\.$/)
    }
  })
})

test('outside of the window the words say that only a template can be sent', () => {
  expect(explain({ code: '63016', details: '' }).message).toContain('only a template can be sent')
})

test('a code that is not known is told by the HTTP status', () => {
  expect([400, 404, 422].map(status => kindOf(99_999, status))).toEqual(['failed', 'failed', 'failed'])
  expect([429, 500, 503].map(status => kindOf(99_999, status))).toEqual(['soon', 'soon', 'soon'])
  expect(kindOf(99_999, 401)).toBe('account')
  expect(explain({ code: '99999', details: 'Odd' })).toEqual({
    code: '99999',
    message: 'Twilio refused the message. (Odd)',
  })
})

describe('an error is read', () => {
  test('in the old form and in the new one (RFC 9457)', () => {
    expect(readTwilioError(400, { code: 21211, message: "Invalid 'To'", more_info: 'x', status: 400 })).toEqual({
      code: '21211',
      details: "Invalid 'To'",
      status: 400,
    })
    const problem = { type: 'x', title: 'Too many requests', status: 429, detail: 'Slow down', code: 20429, errors: [] }
    expect(readTwilioError(429, problem)).toEqual({ code: '20429', details: 'Slow down', status: 429 })
    expect(readTwilioError(400, { title: 'Bad', detail: null })).toEqual({
      code: 'http_400',
      details: 'Bad',
      status: 400,
    })
    expect(readTwilioError(401, { code: 20003 })).toEqual({ code: '20003', details: '', status: 401 })
  })

  test('and not where there is none', () => {
    expect(readTwilioError(201, { code: 20003, message: 'x' })).toBeNull()
    for (const body of [undefined, null, 'text', 7, [], {}, { code: null, message: null }, { code: {}, message: 7 }])
      expect(readTwilioError(500, body)).toBeNull()
  })
})
