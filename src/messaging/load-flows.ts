import { type CompiledFlow, compileFlow } from '../flow/compile.ts'
import type { FlowDocument } from '../flow/document.ts'
import type { FlowLibrary, PublishedFlow } from '../flow/library.ts'
import { FLOW_DEPTH_MAX } from '../flow/limits.ts'
import { Lru } from '../lib/lru.ts'
import type { Metrics } from '../lib/metrics.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { json, statement } from '../stores/postgres/statement.ts'
import type { Claimed } from './claim-conversations.ts'

const flowsMax = 2_000

type Call = { readonly tenantId: string; readonly name: string }

/** One version of a flow. */
export type Version = { readonly tenantId: string; readonly flowId: string; readonly version: number }

const loadVersions = statement({
  name: 'flow_load_versions',
  params: ['tenant_ids', 'flow_ids', 'versions'],
  row: { tenant_id: 'uuid', flow_id: 'uuid', version: 'int4', document: json<FlowDocument>() },
  sql: `select v.tenant_id, v.flow_id, v.version, v.document
    from unnest($1::uuid[], $2::uuid[], $3::int[]) as g (tenant_id, flow_id, version)
    join flow_versions v using (tenant_id, flow_id, version)`,
})

const loadPublished = statement({
  name: 'flow_load_published',
  params: ['tenant_ids', 'names'],
  row: { tenant_id: 'uuid', name: 'text', flow_id: 'uuid', version: 'int4' },
  sql: `select f.tenant_id, f.published_name as name, f.id as flow_id, f.published_version as version
    from unnest($1::uuid[], $2::text[]) as g (tenant_id, name)
    join flows f on f.tenant_id = g.tenant_id and f.published_name = g.name
    where f.published_version is not null`,
})

/** Flows that turns need, parsed once a version: a published version never changes. */
export type FlowLoader = {
  /** The library of each tenant among the conversations, with every flow that their turns, or `others`, can reach. */
  load(
    tx: Transaction,
    conversations: readonly Claimed[],
    others?: readonly Version[],
  ): Promise<(tenantId: string) => FlowLibrary>
  /** A tenant's library as if `flow`, which may be a draft, were the published one of its name. */
  loadWith(tx: Transaction, tenantId: string, flow: PublishedFlow): Promise<FlowLibrary>
}

export function makeFlowLoader(metrics: Metrics): FlowLoader {
  const cache = new Lru<string, CompiledFlow>(flowsMax)

  async function loadMissing(tx: Transaction, wanted: readonly Version[]): Promise<void> {
    const missing = [...new Map(wanted.map(one => [keyOf(one), one])).values()].filter(one => !cache.get(keyOf(one)))
    metrics.cacheHits.inc(wanted.length - missing.length)
    metrics.cacheMisses.inc(missing.length)
    if (missing.length === 0) return
    const rows = await tx.run(loadVersions, {
      tenant_ids: missing.map(one => one.tenantId),
      flow_ids: missing.map(one => one.flowId),
      versions: missing.map(one => one.version),
    })
    for (const { tenant_id, flow_id, version, document } of rows)
      cache.set(keyOf({ tenantId: tenant_id, flowId: flow_id, version }), compileFlow(document))
  }

  /** Loads versions, and all that is called. Flows call flows by name: each round finds what the last one's flows call. */
  async function loadReachable(
    tx: Transaction,
    versions: readonly Version[],
    firstCalls: readonly Call[] = [],
  ): Promise<(tenantId: string) => FlowLibrary> {
    const published = new Map<string, Version>()
    let [wanted, calls] = [versions, firstCalls]
    for (let depth = 0; wanted.length + calls.length > 0 && depth < FLOW_DEPTH_MAX; depth++) {
      await loadMissing(tx, wanted)
      const called = wanted.flatMap(version => callsOf(version.tenantId, cache.get(keyOf(version))))
      const unknown = [...calls, ...called].filter(call => !published.has(nameKey(call)))
      const found = await findPublished(tx, unknown)
      for (const { name, version } of found) published.set(nameKey({ tenantId: version.tenantId, name }), version)
      wanted = found.map(one => one.version)
      calls = []
    }
    return tenantId => ({
      byId: (flowId, version) => cache.get(keyOf({ tenantId, flowId, version })),
      published(name) {
        const version = published.get(nameKey({ tenantId, name }))
        const flow = version && cache.get(keyOf(version))
        return version && flow && { flow_id: version.flowId, version: version.version, flow }
      },
    })
  }

  return {
    load: (tx, conversations, others = []) => loadReachable(tx, [...conversations.flatMap(versionsOf), ...others]),
    async loadWith(tx, tenantId, flow) {
      const library = (await loadReachable(tx, [], callsOf(tenantId, flow.flow)))(tenantId)
      return {
        byId: (flowId, version) =>
          flowId === flow.flow_id && version === flow.version ? flow.flow : library.byId(flowId, version),
        published: name => (name === flow.flow.name ? flow : library.published(name)),
      }
    },
  }
}

async function findPublished(
  tx: Transaction,
  calls: readonly Call[],
): Promise<{ readonly name: string; readonly version: Version }[]> {
  if (calls.length === 0) return []
  const rows = await tx.run(loadPublished, {
    tenant_ids: calls.map(call => call.tenantId),
    names: calls.map(call => call.name),
  })
  return rows.map(({ tenant_id, name, flow_id, version }) => {
    return { name, version: { tenantId: tenant_id, flowId: flow_id, version } }
  })
}

function keyOf({ tenantId, flowId, version }: Version): string {
  return `${tenantId} ${flowId} ${version}`
}

function nameKey({ tenantId, name }: Call): string {
  return `${tenantId} ${name}`
}

/** What the conversation's run is in, and what its bot may start. */
function versionsOf(conversation: Claimed): Version[] {
  const { tenant_id: tenantId, flow_id, published_version, other_flows, state } = conversation
  const running = state?.run?.frames ?? []
  const main = flow_id === null || published_version === null ? [] : [{ flow_id, version: published_version }]
  return [...running, ...main, ...(other_flows ?? [])].map(one => ({
    tenantId,
    flowId: one.flow_id,
    version: one.version,
  }))
}

function callsOf(tenantId: string, flow: CompiledFlow | undefined): Call[] {
  const called = [...(flow?.steps.values() ?? [])].flatMap(step => (step.type === 'flow' ? [step.flow] : []))
  return called.map(name => ({ tenantId, name }))
}
