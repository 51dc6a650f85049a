import { Hono } from 'hono'
import * as v from 'valibot'
import { FILENAME_LENGTH_MAX } from '../../flow/limits.ts'
import { AppError } from '../../lib/errors.ts'
import { sendFile } from '../../lib/send-file.ts'
import { deleteMedia, findSeenMedia, type Media, unsendableMedia } from '../../messaging/media.ts'
import { mediaLinkMs } from '../../messaging/media-links.ts'
import { answerChange } from '../change.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import { type Parts, readInTenant } from '../parts.ts'
import { readUpload } from '../read-upload.ts'
import { text, time, uuid } from '../schemas.ts'
import { body, describe, found, idempotent, idOf, makeGuard, problems, query, step } from '../steps.ts'
import { removeFile, storeUpload } from '../store-upload.ts'

const media = named(
  'Media',
  v.pipe(
    v.strictObject({
      id: uuid,
      mime_type: v.string(),
      declared_type: v.string(),
      filename: v.nullable(v.string()),
      bytes: v.nullable(v.number()),
      sha256: v.nullable(v.string()),
      state: v.picklist(['pending', 'stored', 'failed']),
      reason: v.nullable(v.string()),
      created_at: time,
    }),
    v.description(
      '`mime_type` is what the bytes are taken for, `declared_type` what whoever sent them says. A file of a customer is ' +
        '`pending` until its provider has handed it over; `reason` says what holds it up, or why it failed.',
    ),
  ),
)

const tag = 'Media'
const whose = 'Who is tied to a seller reaches the files of that seller’s conversations, and what they have uploaded.'
const binary = { type: 'string', format: 'binary' }

/** What the document says of a body that is a file. */
const fileBody = step((_context, next) => next(), {
  requestBody: {
    required: true,
    content: {
      'application/octet-stream': { schema: { ...binary, minLength: 1 } },
      'multipart/form-data': {
        schema: {
          type: 'object',
          properties: { file: { ...binary, minLength: 1 } },
          required: ['file'],
          additionalProperties: false,
        },
      },
    },
  },
  responses: problems('bad_request', 'too_large', 'unknown_file_type', 'invalid', 'conflict'),
})

/** The same of an answer. */
const fileAnswer = step((_context, next) => next(), {
  parameters: [
    {
      ...{ in: 'header', name: 'Range', required: false, description: 'Some of the bytes, as in `bytes=0-1023`' },
      schema: { type: 'string' },
    },
  ],
  responses: {
    200: { description: 'The file', content: { '*/*': { schema: {} } } },
    206: { description: 'The bytes that were asked for', content: { '*/*': { schema: {} } } },
    ...problems('range_not_satisfiable'),
  },
})

export function mediaRoutes(parts: Parts): Hono<Env> {
  const { files, links, clock } = parts
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.post(
    '/',
    describe({
      id: 'uploadMedia',
      tag,
      summary: 'Upload a file to send',
      description:
        'The body is the file, in its own `Content-Type`, or a form with the file in it. Its `id` is the `media_id` of ' +
        'messages. Images may have 5 MB, sounds and videos 16 MB, stickers (WebP) 500 KB, and documents 100 MB.',
      answers: { 201: media },
    }),
    may('conversations:write'),
    idempotent,
    query(v.strictObject({ filename: v.optional(text(FILENAME_LENGTH_MAX)) })),
    fileBody,
    async context => {
      const { filename } = context.req.valid('query')
      return await storeUpload(parts, context, await readUpload(files, context.req.raw, filename ?? null))
    },
  )
  app.get(
    '/:id',
    describe({
      id: 'getMedia',
      tag,
      summary: 'What is known of a file',
      description: whose,
      answers: { 200: media },
      errors: ['not_found'],
    }),
    // Whose upload it is tells too who sees it: an answer to one is not kept for the others of their seller.
    may('conversations:read', { isFresh: true }),
    async context => {
      const id = idOf(context)
      const one = await readInTenant(parts, context, (tx, caller) => findSeenMedia(tx, caller, id))
      return context.json(found(one, 'file'))
    },
  )
  app.get(
    '/:id/content',
    describe({
      id: 'getMediaContent',
      tag,
      summary: 'The bytes of a file',
      description: `${whose} Refused with 409 until the file is \`stored\`.`,
      answers: {},
      errors: ['not_found', 'conflict'],
    }),
    may('conversations:read', { isFile: true }),
    fileAnswer,
    async context => {
      const id = idOf(context)
      const one = found(await readInTenant(parts, context, (tx, caller) => findSeenMedia(tx, caller, id)), 'file')
      refuseUnstored(one)
      const blob = await files.find({ tenantId: context.get('caller').tenantId, id }, one.mime_type)
      if (blob === null) throw new AppError('not_found', 'The bytes of this file are not there any more.')
      const file = { blob, mimeType: one.mime_type, filename: one.filename, etag: `"${one.sha256}"` }
      return sendFile(context.req.raw.headers, file, {
        'cache-control': 'private, no-cache',
        vary: 'authorization, x-api-key',
      })
    },
  )
  app.post(
    '/:id/link',
    describe({
      id: 'linkMedia',
      tag,
      summary: 'An address that anybody can read a file at, for an hour',
      description: whose,
      answers: { 200: v.strictObject({ url: v.string(), expires_at: time }) },
      errors: ['not_found', 'conflict'],
    }),
    may('conversations:read'),
    body(v.strictObject({}), { mayBeEmpty: true }),
    async context => {
      const id = idOf(context)
      const expires_at = new Date(Math.floor((clock.now() + mediaLinkMs) / 1_000) * 1_000)
      const isSecret = true
      return await answerChange(
        parts,
        context,
        200,
        async (tx, caller, record) => {
          refuseUnstored(found(await findSeenMedia(tx, caller, id), 'file'))
          record({ action: 'media.linked', resource: 'conversations', id, before: null, after: { expires_at } })
          return { url: links.linkTo({ tenantId: caller.tenantId, id }, expires_at), expires_at }
        },
        { isSecret },
      )
    },
  )
  app.delete(
    '/:id',
    describe({
      id: 'deleteMedia',
      tag,
      summary: 'Delete a file',
      description: 'Messages that show it, and flows that send it, stay as they are.',
      answers: { 204: null },
      errors: ['not_found'],
    }),
    may('conversations:write'),
    async context => {
      const id = idOf(context)
      const response = await answerChange(parts, context, 204, async (tx, caller, record) => {
        const before = found(await findSeenMedia(tx, caller, id), 'file')
        await deleteMedia(tx, caller.tenantId, id)
        record({ action: 'media.deleted', resource: 'conversations', id, before, after: null })
        return null
      })
      await removeFile(parts, { tenantId: context.get('caller').tenantId, id })
      return response
    },
  )

  return app
}

function refuseUnstored(one: Media): void {
  const reason = unsendableMedia(one)
  if (reason !== null) throw new AppError('conflict', reason)
}
