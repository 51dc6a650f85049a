import type { FetchedMedia } from '../provider.ts'

/** A file in an answer, with what else is known of it. */
export function streamOf(
  response: Response,
  known: { readonly mimeType: string | null; readonly bytes: number | null },
): FetchedMedia {
  const body = response.body ?? new ReadableStream<Uint8Array>({ start: controller => controller.close() })
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  return {
    kind: 'found',
    body,
    mimeType: known.mimeType ?? response.headers.get('content-type'),
    bytes: known.bytes ?? (Number.isSafeInteger(length) ? length : null),
  }
}
