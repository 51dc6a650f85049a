import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import type { Content } from '../records.ts'
import { parseJson, respond } from '../send-api.ts'
import type { World } from '../world.ts'
import { accountOf } from './accounts.ts'
import { newSid, signedIn } from './twilio-account.ts'
import { invalidParameter, notFound, unauthorized } from './twilio-errors.ts'

const templatesMax = 2_000

const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max))

const action = v.looseObject({ id: text(200), title: text(20) })
const item = v.object({
  id: text(200),
  item: text(24),
  description: v.exactOptional(v.pipe(v.string(), v.maxLength(72))),
})

/** The types that are shown here; a template may have others beside them. */
const typesSchema = v.looseObject({
  'twilio/text': v.exactOptional(v.object({ body: text(1_600) })),
  'twilio/quick-reply': v.exactOptional(
    v.object({ body: text(1_024), actions: v.pipe(v.array(action), v.minLength(1), v.maxLength(3)) }),
  ),
  'twilio/list-picker': v.exactOptional(
    v.object({ body: text(1_024), button: text(20), items: v.pipe(v.array(item), v.minLength(1), v.maxLength(10)) }),
  ),
  'twilio/media': v.exactOptional(
    v.object({ body: v.exactOptional(text(1_600)), media: v.pipe(v.array(text(2_048)), v.length(1)) }),
  ),
  'twilio/location': v.exactOptional(
    v.object({ latitude: v.number(), longitude: v.number(), label: v.exactOptional(text(1_000)) }),
  ),
})

const templateSchema = v.object({
  friendly_name: v.optional(text(450), 'unnamed'),
  language: text(16),
  variables: v.optional(v.record(v.string(), v.string()), {}),
  types: typesSchema,
})

const approvalSchema = v.object({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,512}$/)),
  category: v.picklist(['UTILITY', 'MARKETING', 'AUTHENTICATION']),
})

type Approval = v.InferOutput<typeof approvalSchema> & { readonly status: 'approved' | 'rejected' }

/** A template that a bot made. An approved one reaches customers at any time, others only those who wrote lately. */
export type Template = v.InferOutput<typeof templateSchema> & {
  readonly sid: string
  readonly account_sid: string
  readonly created: string
  readonly approval: Approval | null
}

/** The templates of all accounts, in memory only: after a restart their sids are unknown. The oldest goes first. */
export class Templates {
  readonly #templates = new Map<string, Template>()

  put(template: Template): void {
    this.#templates.set(template.sid, template)
    const [oldest] = this.#templates.keys()
    if (this.#templates.size > templatesMax && oldest !== undefined) this.#templates.delete(oldest)
  }

  get(sid: string, accountSid: string): Template | null {
    const template = this.#templates.get(sid)
    return template?.account_sid === accountSid ? template : null
  }

  of(accountSid: string): Template[] {
    return [...this.#templates.values()].filter(({ account_sid }) => account_sid === accountSid)
  }

  remove(sid: string): void {
    this.#templates.delete(sid)
  }

  clear(): void {
    this.#templates.clear()
  }
}

/** `content.twilio.com/v1/Content`: templates, and their approval for WhatsApp, which comes at once. */
export function contentApi(world: World, templates: Templates): Hono {
  const app = new Hono()
  app.post('/v1/Content', context => withAccount(context, accountSid => create(context, accountSid)))
  app.get('/v1/Content', context =>
    withAccount(context, async accountSid => context.json({ contents: templates.of(accountSid).map(shown) })),
  )
  app.get('/v1/Content/:sid', context => withTemplate(context, async template => context.json(shown(template))))
  app.delete('/v1/Content/:sid', context =>
    withTemplate(context, async ({ sid }) => {
      templates.remove(sid)
      return context.body(null, 204)
    }),
  )
  app.post('/v1/Content/:sid/ApprovalRequests/whatsapp', context =>
    withTemplate(context, template => approve(context, template)),
  )
  app.get('/v1/Content/:sid/ApprovalRequests', context =>
    withTemplate(context, async ({ sid, account_sid, approval }) =>
      context.json({ sid, account_sid, whatsapp: approval === null ? null : shownApproval(approval) }),
    ),
  )
  return app

  async function create(context: Context, account_sid: string): Promise<Response> {
    const body = v.safeParse(templateSchema, parseJson(await context.req.text()))
    if (!body.success) {
      const [issue] = body.issues
      return respond(invalidParameter(`${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`))
    }
    if (Object.keys(body.output.types).length === 0) return respond(invalidParameter('types: takes one at least'))
    const created = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const template: Template = { ...body.output, sid: newSid('HX'), account_sid, created, approval: null }
    templates.put(template)
    return context.json(shown(template), 201)
  }

  async function approve(context: Context, template: Template): Promise<Response> {
    const body = v.safeParse(approvalSchema, parseJson(await context.req.text()))
    if (!body.success) return respond(invalidParameter(body.issues[0].message))
    const approval: Approval = { ...body.output, status: isSessionOnly(template) ? 'rejected' : 'approved' }
    templates.put({ ...template, approval })
    // What becomes of it is asked for later.
    return context.json({ ...shownApproval(approval), status: 'received' }, 201)
  }

  async function withAccount(context: Context, answer: (sid: string) => Promise<Response>): Promise<Response> {
    const [number] = signedIn(world, context.req.raw, null) ?? []
    return number === undefined ? respond(unauthorized()) : await answer(accountOf(number, 'twilio').account_sid)
  }

  function withTemplate(context: Context, answer: (template: Template) => Promise<Response>): Promise<Response> {
    return withAccount(context, async accountSid => {
      const template = templates.get(context.req.param('sid') ?? '', accountSid)
      return template === null ? respond(notFound(context.req.path)) : await answer(template)
    })
  }
}

/** Lists and places never leave the 24 hours. */
function isSessionOnly({ types }: Template): boolean {
  return types['twilio/list-picker'] !== undefined || types['twilio/location'] !== undefined
}

function shown({ sid, account_sid, friendly_name, language, variables, types, created }: Template): unknown {
  const url = `https://content.twilio.com/v1/Content/${sid}`
  return {
    ...{ sid, account_sid, friendly_name, language, variables, types, url },
    ...{ date_created: created, date_updated: created },
    links: { approval_create: `${url}/ApprovalRequests/whatsapp`, approval_fetch: `${url}/ApprovalRequests` },
  }
}

function shownApproval({ name, category, status }: Approval): object {
  return { name, category, content_type: 'twilio', status, rejection_reason: '', allow_category_change: true }
}

/** What a phone shows of a template: a content, a file to fetch, or null where a variable has no value. */
export type Rendered =
  | { readonly kind: 'content'; readonly content: Content }
  | { readonly kind: 'media'; readonly url: string; readonly caption: string | null }

/** Fills a template in. The richest of its types that WhatsApp shows is taken. */
export function render(template: Template, given: Readonly<Record<string, string>>): Rendered | null {
  const values = { ...template.variables, ...given }
  const missing = placeholders(JSON.stringify(template.types)).some(name => values[name] === undefined)
  if (missing) return null
  const fill = (words: string) => words.replace(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? '')
  if (template.approval?.status === 'approved') return { kind: 'content', content: approved(template, values, fill) }
  return session(template, fill)
}

function placeholders(words: string): string[] {
  return [...words.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name ?? '')
}

function approved(
  { approval, language, types }: Template,
  values: Readonly<Record<string, string>>,
  fill: (words: string) => string,
): Content {
  const actions = types['twilio/quick-reply']?.actions ?? []
  return {
    ...{ type: 'template', name: approval?.name ?? '', language, parameters: Object.values(values) },
    buttons: actions.map(({ id, title }) => ({ id: fill(id), title: fill(title) })),
  }
}

function session({ types }: Template, fill: (words: string) => string): Rendered {
  const media = types['twilio/media']
  if (media !== undefined) {
    return {
      kind: 'media',
      url: fill(media.media[0] ?? ''),
      caption: media.body === undefined ? null : fill(media.body),
    }
  }
  return { kind: 'content', content: sessionContent(types, fill) }
}

function sessionContent(types: Template['types'], fill: (words: string) => string): Content {
  const reply = types['twilio/quick-reply']
  const list = types['twilio/list-picker']
  const location = types['twilio/location']
  if (reply !== undefined) {
    const buttons = reply.actions.map(({ id, title }) => ({ id: fill(id), title: fill(title) }))
    return { type: 'buttons', text: fill(reply.body), buttons }
  }
  if (list !== undefined) {
    const rows = list.items.map(({ id, item, description }) => ({
      ...{ id: fill(id), title: fill(item) },
      ...(description === undefined ? {} : { description: fill(description) }),
    }))
    return { type: 'list', text: fill(list.body), button: fill(list.button), sections: [{ rows }] }
  }
  if (location !== undefined) {
    const { latitude, longitude, label } = location
    return { type: 'location', latitude, longitude, ...(label === undefined ? {} : { name: fill(label) }) }
  }
  return { type: 'text', text: fill(types['twilio/text']?.body ?? JSON.stringify(types)) }
}
