import { type CompiledFlow, compileFlow } from '../flow/compile.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { JsonObject } from '../flow/json.ts'
import type { FlowLibrary, PublishedFlow } from '../flow/library.ts'
import { FLOW_DEPTH_MAX, WINDOW_MS } from '../flow/limits.ts'
import type { ReplayWorld } from '../flow/replay-against.ts'
import { upcastEvent } from '../flow/upcast.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, nullable, statement } from '../stores/postgres/statement.ts'
import { providerNames } from './bot-config.ts'
import { capabilitiesOf } from './capabilities.ts'
import { businessOf } from './load-businesses.ts'
import type { History } from './replay.ts'
import type { TenantSettings } from './tenant-settings.ts'

/** A document in place of every version of a flow. `name` is the flow's, by which others call it. */
export type Draft = { readonly flowId: string; readonly name: string; readonly flow: CompiledFlow }

const findContext = statement({
  name: 'replay_find_context',
  params: ['tenant_id', 'conversation_id'],
  row: {
    name: 'text',
    phone: nullable('text'),
    email: nullable('text'),
    variables: json<JsonObject>(),
    tags: json<readonly string[]>(),
    flow_ids: json<readonly string[]>(),
    business: json<{ readonly name: string; readonly time_zone: string; readonly settings: Partial<TenantSettings> }>(),
  },
  sql: `select k.name, k.phone, k.email, k.variables, to_jsonb(k.tags) as tags,
      coalesce(to_jsonb(array_remove(array_prepend(b.flow_id, b.flow_ids), null)), '[]') as flow_ids,
      jsonb_build_object('name', t.name, 'time_zone', t.time_zone, 'settings', t.settings) as business
    from conversations c
    join customers k on k.tenant_id = c.tenant_id and k.id = c.customer_id
    join tenants t on t.id = c.tenant_id
    left join bots b on b.tenant_id = c.tenant_id and b.id = c.bot_id
    where c.tenant_id = $1 and c.id = $2`,
})

// Those that were the published ones at some moment of the time given. Each is called by the name it was published under.
const loadVersions = statement({
  name: 'replay_load_versions',
  params: ['tenant_id', 'flow_ids', 'names', 'from', 'to'],
  row: {
    flow_id: 'uuid',
    name: 'text',
    version: 'int4',
    published_at: 'timestamptz',
    document: json<FlowDocument>(),
  },
  sql: `select v.flow_id, v.document ->> 'name' as name, v.version, v.published_at, v.document
    from flows f join flow_versions v on v.tenant_id = f.tenant_id and v.flow_id = f.id
    where f.tenant_id = $1 and (f.id = any ($2::uuid[]) or v.document ->> 'name' = any ($3::text[])) and v.published_at <= $5
      and v.version >= coalesce((select max(version) from flow_versions o
        where o.tenant_id = f.tenant_id and o.flow_id = f.id and o.published_at <= $4), 0)
    order by v.flow_id, v.version`,
})

type Version = {
  readonly flow_id: string
  readonly name: string
  readonly version: number
  readonly publishedAt: number
  readonly flow: CompiledFlow
}

/**
 * The world of a history with a draft in it: the other flows as they were published at each moment, the bot's flows, the
 * customer and the business as they are now.
 */
export async function loadReplayWorld(tx: Transaction, history: History, draft: Draft): Promise<ReplayWorld> {
  const { conversation, received } = history
  const { id, tenant_id, bot_id, customer_id } = conversation
  const [found] = await tx.run(findContext, { tenant_id, conversation_id: id })
  if (found === undefined) throw new Error('the conversation was removed meanwhile')
  const { flow_ids, business, name, ...rest } = found
  const bot = [...new Set([...flow_ids, ...startedIn(history)])]
  const versions = await loadReachable(tx, { tenantId: tenant_id, draft, bot, history })
  const customer = { ...rest, id: customer_id, name: name === '' ? null : name, opted_out: false }
  return {
    flowsAt: at => ({ library: libraryAt(versions, draft, at), flows: flowsOfBot(versions, draft, bot, at) }),
    contentOf: messageId => received.get(messageId),
    context: { customer, conversation: { id, bot_id }, business: businessOf(business) },
    windowMs: hasWindow(conversation.provider) ? WINDOW_MS : null,
  }
}

/** The flows that ran, which the bot may have no more. */
function startedIn({ events }: History): string[] {
  return events.flatMap(stored => {
    const event = upcastEvent(stored)
    return event?.type === 'flow.started' ? [event.data.flow_id] : []
  })
}

async function loadReachable(
  tx: Transaction,
  given: {
    readonly tenantId: string
    readonly draft: Draft
    readonly bot: readonly string[]
    readonly history: History
  },
): Promise<readonly Version[]> {
  const { tenantId, draft, bot, history } = given
  const [from, to] = [history.events[0]?.at ?? 0, history.events.at(-1)?.at ?? 0]
  const versions: Version[] = []
  const asked = new Set([draft.name])
  let flowIds = bot.filter(id => id !== draft.flowId)
  let names = callsOf(draft.flow).filter(name => !asked.has(name))
  for (let depth = 0; depth < FLOW_DEPTH_MAX && flowIds.length + names.length > 0; depth++) {
    const rows = await tx.run(loadVersions, {
      ...{ tenant_id: tenantId, flow_ids: flowIds, names },
      ...{ from: new Date(from), to: new Date(to) },
    })
    for (const name of names) asked.add(name)
    const found = rows.map(({ document, published_at, ...row }) => {
      return { ...row, publishedAt: published_at.getTime(), flow: compileFlow(document) }
    })
    versions.push(...found)
    names = [...new Set(found.flatMap(one => callsOf(one.flow)))].filter(name => !asked.has(name))
    flowIds = []
  }
  return versions
}

function callsOf(flow: CompiledFlow): string[] {
  return [...flow.steps.values()].flatMap(step => (step.type === 'flow' ? [step.flow] : []))
}

/** The number that the draft goes by: no version has it. */
const draftVersion = 0

function libraryAt(versions: readonly Version[], draft: Draft, at: number): FlowLibrary {
  return {
    byId(flowId, version) {
      if (flowId === draft.flowId) return draft.flow
      return versions.find(one => one.flow_id === flowId && one.version === version)?.flow
    },
    published(name): PublishedFlow | undefined {
      if (name === draft.name) return { flow_id: draft.flowId, version: draftVersion, flow: draft.flow }
      return versions.findLast(one => one.name === name && one.publishedAt <= at)
    },
  }
}

function flowsOfBot(versions: readonly Version[], draft: Draft, bot: readonly string[], at: number) {
  return bot.flatMap(flow_id => {
    if (flow_id === draft.flowId) return [{ flow_id, version: draftVersion }]
    const version = versions.findLast(one => one.flow_id === flow_id && one.publishedAt <= at)?.version
    return version === undefined ? [] : [{ flow_id, version }]
  })
}

function hasWindow(provider: string | null): boolean {
  const known = providerNames.find(name => name === provider)
  return known !== undefined && capabilitiesOf(known, {}).hasWindow
}
