import { Hono } from 'hono'
import * as v from 'valibot'
import { readyFlows, readyKinds } from '../../messaging/ready-flows/ready-flows.ts'
import { languages } from '../../messaging/tenant-settings.ts'
import { named } from '../json-schema.ts'
import type { Env } from '../options.ts'
import type { Parts } from '../parts.ts'
import { jsonObject } from '../schemas.ts'
import { describe, makeGuard, query } from '../steps.ts'

const template = named(
  'FlowTemplate',
  v.strictObject({
    kind: v.picklist(readyKinds),
    language: v.picklist(languages),
    name: v.string(),
    document: v.pipe(jsonObject, v.description('See FlowDocument')),
  }),
)

/** The ready flows, to make flows of one's own from. */
export function flowTemplateRoutes(parts: Parts): Hono<Env> {
  const may = makeGuard(parts)
  const app = new Hono<Env>()
  app.get(
    '/',
    describe({
      id: 'listFlowTemplates',
      tag: 'Flows',
      summary: 'Ready flows to begin with',
      description:
        'Those of the language of a tenant were installed when it was registered. Flows are called by name: install those that are called first.',
      answers: { 200: v.strictObject({ data: v.array(template), next_cursor: v.null_() }) },
    }),
    may('flows:read'),
    query(v.strictObject({ language: v.optional(v.picklist(languages)) })),
    context => {
      const { language } = context.req.valid('query')
      const data = (language === undefined ? languages : [language]).flatMap(one =>
        readyFlows(one).map(({ document, ...rest }) => ({ ...rest, name: document.name, document })),
      )
      return context.json({ data, next_cursor: null })
    },
  )
  return app
}
