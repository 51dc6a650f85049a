import { type Context, Hono } from 'hono'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { observeRequests } from '../lib/http.ts'
import { isUuid } from '../lib/ids.ts'
import type { Metrics } from '../lib/metrics.ts'
import { sendFile } from '../lib/send-file.ts'
import { findMedia } from '../messaging/media.ts'
import type { MediaLink, MediaLinks } from '../messaging/media-links.ts'
import type { Files } from '../stores/files.ts'
import type { Database } from '../stores/postgres/database.ts'

const path = '/media/:tenant_id/:id'

type Options = {
  readonly database: Database
  readonly files: Files
  readonly links: MediaLinks
  readonly clock: Clock
  readonly metrics: Metrics
}

/** What links to files lead to: for providers that fetch what they are to send, and for whoever was given a link. */
export function mediaLinkRoutes(options: Options): Hono {
  const { files, clock } = options
  const app = new Hono()
  app.use(
    path,
    observeRequests(options.metrics, () => path),
  )
  // A HEAD is answered like the GET, without the body.
  app.get(path, async context => {
    const link = readLink(context)
    const media = await findLinked(options, link)
    const blob = media.sha256 === null ? null : await files.find(link, media.mime_type)
    if (blob === null) throw noFile()
    const secondsLeft = Math.max(0, Math.floor(Number(link.expires) - clock.now() / 1_000))
    return sendFile(
      context.req.raw.headers,
      { blob, mimeType: media.mime_type, filename: media.filename, etag: `"${media.sha256}"` },
      {
        'cache-control': `private, max-age=${secondsLeft}`,
        'cross-origin-resource-policy': 'cross-origin',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex',
      },
    )
  })
  app.all(path, context => {
    throw new AppError('method_not_allowed', `A file is read by GET, not by ${context.req.method}.`)
  })
  return app
}

function readLink(context: Context): MediaLink {
  const { tenant_id: tenantId = '', id = '' } = context.req.param()
  const { expires = '', signature = '' } = context.req.query()
  return { tenantId, id, expires, signature }
}

async function findLinked({ database, links, clock }: Options, link: MediaLink) {
  const { tenantId, id } = link
  const verdict = links.verify(link, new Date(clock.now()))
  // What was signed is a file's address: the ids are ours.
  if (verdict === 'wrong' || !isUuid(tenantId) || !isUuid(id)) throw noFile()
  if (verdict === 'expired') throw new AppError('link_expired', 'Ask for a new one.')
  const media = await database.read({ role: 'app', tenantId }, tx => findMedia(tx, tenantId, id))
  if (media === undefined) throw noFile()
  return media
}

/** The same for a link that is wrong, and for a file that is gone. */
function noFile(): AppError {
  return new AppError('not_found', 'There is no such file, or the link is not whole.')
}
