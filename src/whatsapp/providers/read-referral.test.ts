import { expect, test } from 'bun:test'
import * as v from 'valibot'
import { inboundContentSchema } from '../../flow/content.ts'
import { REFERRAL_ID_LENGTH_MAX, REFERRAL_TEXT_LENGTH_MAX, URL_LENGTH_MAX } from '../../flow/limits.ts'
import { referralOf, withReferral } from './read-referral.ts'

const nothing = {
  ...{ sourceType: undefined, sourceId: undefined, sourceUrl: undefined },
  ...{ headline: undefined, body: undefined, clickId: undefined },
}

test('an ad or a post is named with what is known of it, and nothing else', () => {
  expect(referralOf({ ...nothing, sourceType: 'ad', sourceId: '1', body: '' })).toEqual({
    ...{ source_type: 'ad', source_id: '1' },
  })
  expect(referralOf({ ...nothing, sourceType: 'post', headline: 'Bread' })).toEqual({
    ...{ source_type: 'post', headline: 'Bread' },
  })
  expect(referralOf({ ...nothing, clickId: 'c' })).toEqual({ source_type: 'ad', click_id: 'c' })
})

test('the preview of a link is no ad', () => {
  expect(referralOf({ ...nothing, sourceUrl: 'https://example.test', headline: 'A page' })).toBeUndefined()
  expect(referralOf({ ...nothing, sourceType: 'link' })).toBeUndefined()
})

test('texts of any length make a content that is taken', () => {
  const long = 'x'.repeat(10_000)
  const told = { sourceType: 'ad', sourceId: long, sourceUrl: long, headline: long, body: long, clickId: long }
  const content = withReferral({ type: 'text', text: 'hi' }, referralOf(told))
  expect(v.parse(inboundContentSchema, content)).toEqual(content)
  expect(content).toMatchObject({
    referral: {
      ...{ source_id: long.slice(0, REFERRAL_ID_LENGTH_MAX), source_url: long.slice(0, URL_LENGTH_MAX) },
      headline: long.slice(0, REFERRAL_TEXT_LENGTH_MAX),
    },
  })
})

test('what has no place for it stays as it is', () => {
  const place = { type: 'location', latitude: 1, longitude: 2 } as const
  const ad = referralOf({ ...nothing, sourceType: 'ad' })
  expect(withReferral(place, ad)).toBe(place)
  const image = { type: 'image', media_id: 'm', mime_type: 'image/png' } as const
  expect(withReferral(image, ad)).toEqual({ ...image, referral: { source_type: 'ad' } })
  expect(withReferral(image, undefined)).toBe(image)
})
