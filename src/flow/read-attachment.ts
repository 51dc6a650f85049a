import type { InboundContent } from './content.ts'
import type { Reading } from './reading.ts'

/** A place that was sent: its coordinates, with its name and address where it has them. */
export function readLocation(content: InboundContent): Reading {
  if (content.type !== 'location') return { problem: 'not_a_location' }
  const { latitude, longitude, name, address } = content
  return { value: { latitude, longitude, ...(name && { name }), ...(address && { address }) } }
}

/** A place that was sent as an address: what it says of itself, else its coordinates, is the text. */
export function readPlaceAsAddress(place: Extract<InboundContent, { type: 'location' }>): Reading {
  const { latitude, longitude, name, address } = place
  const text = [name, address].filter(Boolean).join(', ') || `${latitude}, ${longitude}`
  return { value: { text, latitude, longitude, ...(name && { name }) } }
}

/** A picture, sent as such or as a file. */
export function readImage(content: InboundContent): Reading {
  const isImage = content.type === 'image' || (content.type === 'document' && content.mime_type.startsWith('image/'))
  return isImage ? { value: fileOf(content) } : { problem: 'not_an_image' }
}

/** A file that was sent. */
export function readDocument(content: InboundContent): Reading {
  return content.type === 'document' ? { value: fileOf(content) } : { problem: 'not_a_document' }
}

type File = Extract<InboundContent, { media_id: string }>

function fileOf({ media_id, mime_type, caption, filename }: File) {
  return { media_id, mime_type, ...(caption && { caption }), ...(filename && { filename }) }
}
