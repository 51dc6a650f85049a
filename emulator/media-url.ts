const mediaUrlMs = 300_000

/** Where a media object's bytes are, for five minutes, as Meta says of its own. */
export function mediaUrl(url: string, id: string): string {
  return `${url}/media/${encodeURIComponent(id)}?ext=${Math.floor((Date.now() + mediaUrlMs) / 1_000)}`
}
