/** A file under the id that a provider gave it. */
export type Media = { readonly id: string; readonly mimeType: string; readonly bytes: Uint8Array<ArrayBuffer> }

const entriesMax = 10_000

/** One transparent pixel. */
const pixel = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='),
  character => character.charCodeAt(0),
)

/**
 * Files that bots uploaded and customers sent, in memory only: after a restart their ids are unknown, as Meta's are
 * after 30 days. What a customer sends without bytes has no real content: an image is one pixel, everything else a
 * line of text.
 */
export class MediaStore {
  readonly #bytesMax: number
  readonly #media = new Map<string, Media>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  add(mimeType: string, bytes: Uint8Array<ArrayBuffer>, id: string): Media {
    return this.#store({ id, mimeType, bytes })
  }

  /** What a customer sends has something to be fetched under its id. */
  stage(mimeType: string, id: string): Media {
    const bytes = mimeType === 'image/png' ? pixel : new TextEncoder().encode(`emulated ${mimeType}\n`)
    return this.#media.get(id) ?? this.#store({ id, mimeType, bytes })
  }

  get(id: string): Media | null {
    return this.#media.get(id) ?? null
  }

  remove(id: string): boolean {
    this.#bytes -= this.#media.get(id)?.bytes.length ?? 0
    return this.#media.delete(id)
  }

  #store(media: Media): Media {
    this.#media.set(media.id, media)
    this.#bytes += media.bytes.length
    for (const [oldest] of this.#media) {
      if (this.#bytes <= this.#bytesMax && this.#media.size <= entriesMax) break
      this.remove(oldest)
    }
    return media
  }
}
