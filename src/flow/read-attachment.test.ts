import { describe, expect, test } from 'bun:test'
import type { InboundContent } from './content.ts'
import { readDocument, readImage, readLocation } from './read-attachment.ts'

const text: InboundContent = { type: 'text', text: 'here' }
const photo: InboundContent = { type: 'image', media_id: '1', mime_type: 'image/jpeg', caption: 'me' }
const pdf: InboundContent = { type: 'document', media_id: '2', mime_type: 'application/pdf', filename: 'cv.pdf' }

describe('an answer that is sent along', () => {
  test('is a place', () => {
    const place: InboundContent = { type: 'location', latitude: 40.4, longitude: -3.7 }
    expect(readLocation(place)).toEqual({ value: { latitude: 40.4, longitude: -3.7 } })
    expect(readLocation({ ...place, name: 'Sol', address: 'Madrid' })).toEqual({
      value: { latitude: 40.4, longitude: -3.7, name: 'Sol', address: 'Madrid' },
    })
    expect(readLocation(text)).toEqual({ problem: 'not_a_location' })
  })

  test('is a picture, as such or as a file', () => {
    expect(readImage(photo)).toEqual({ value: { media_id: '1', mime_type: 'image/jpeg', caption: 'me' } })
    const file: InboundContent = { type: 'document', media_id: '3', mime_type: 'image/png', filename: 'a.png' }
    expect(readImage(file)).toEqual({ value: { media_id: '3', mime_type: 'image/png', filename: 'a.png' } })
    for (const other of [pdf, text]) expect(readImage(other)).toEqual({ problem: 'not_an_image' })
  })

  test('is a file', () => {
    expect(readDocument(pdf)).toEqual({ value: { media_id: '2', mime_type: 'application/pdf', filename: 'cv.pdf' } })
    for (const other of [photo, text]) expect(readDocument(other)).toEqual({ problem: 'not_a_document' })
  })
})
