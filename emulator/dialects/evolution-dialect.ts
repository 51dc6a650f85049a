import { type Context, Hono } from 'hono'
import type { ChatMessage, Customer } from '../records.ts'
import { respond } from '../send-api.ts'
import { accountOf } from './accounts.ts'
import type { Dialect, Mounted, Stage } from './dialect.ts'
import { accessOf, evolutionNumberInput, findInstance } from './evolution-account.ts'
import { evolutionWebhooks } from './evolution-build-webhook.ts'
import { chatRoutes } from './evolution-chat.ts'
import { Connections } from './evolution-connection.ts'
import type { Instances } from './evolution-context.ts'
import { type EvolutionServer, evolutionControl } from './evolution-control.ts'
import { licenseRequired, refuseAtEvolution, unauthorized, unknownInstance, unknownRoute } from './evolution-errors.ts'
import { instanceRoutes } from './evolution-instances.ts'
import { Pairings } from './evolution-pairing.ts'
import { sendAtEvolution } from './evolution-send.ts'
import { configRoutes } from './evolution-webhook-config.ts'

/** Evolution API 2.3 with its Baileys channel: a server of one's own whose instances are linked to phones. */
export const evolution: Dialect = {
  name: 'evolution',
  prefix: '/evolution',
  numberInput: evolutionNumberInput,
  shown(number) {
    const { instance, state } = accountOf(number, 'evolution')
    return { dialect: 'evolution', instance, state }
  },
  verify: null,
  tellsOfPhone: true,
  hasRates: false,
  hasWindow: false,
  messageId: newMessageId,
  mediaId: () => crypto.randomUUID(),
  announce: (customer: Customer, message: ChatMessage) => [{ kind: 'echo', customer, message }],
  webhooks: evolutionWebhooks,
  refuse: refuseAtEvolution,
  unknownPath: unknownRoute,
  mount,
}

/** Phones make ids of their own kind, and Baileys another. */
function newMessageId(direction: ChatMessage['direction']): string {
  const random = (length: number) =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(length)))
      .toString('hex')
      .toUpperCase()
  return direction === 'inbound' ? `AC${random(15)}` : `3EB0${random(9)}`
}

function mount(stage: Stage): Mounted {
  const server: EvolutionServer = { isLicenseRequired: false, apiKey: null }
  const pairings = new Pairings(stage)
  const connections = new Connections(stage, pairings)
  const instances = instancesOf(stage, server, pairings, connections)
  const api = new Hono()
  api.use('*', async (context, next) => {
    const url = `${stage.url()}/evolution`
    // That it is there is said with or without a licence.
    if (/^\/evolution\/?$/.test(context.req.path)) return context.json(welcome(url))
    return server.isLicenseRequired ? respond(licenseRequired(url)) : await next()
  })
  api.post('/message/:kind/:name', context => sendAtEvolution(stage, instances.access(context), context))
  for (const routes of [instanceRoutes(instances), configRoutes(instances), chatRoutes(instances)])
    api.route('/', routes)
  return {
    api,
    control: evolutionControl(stage, pairings, connections, server),
    clear() {
      pairings.clear()
      Object.assign(server, { isLicenseRequired: false, apiKey: null })
    },
  }
}

function welcome(url: string): unknown {
  const message = 'Welcome to the Evolution API, it is working!'
  return { status: 200, message, version: '2.3.7', clientName: 'emulated', manager: `${url}/manager` }
}

function instancesOf(stage: Stage, server: EvolutionServer, pairings: Pairings, connections: Connections): Instances {
  const access = (context: Context) => accessOf(stage.world, context.req.raw, server.apiKey)
  return {
    ...{ stage, pairings, connections, access },
    async withInstance(context, answer) {
      const allowed = access(context)
      if (allowed.kind === 'none') return respond(unauthorized())
      const name = context.req.param('name') ?? ''
      const number = findInstance(stage.world, allowed, name)
      if (number !== null) return await answer(number)
      // A token opens its own instance alone.
      return respond(allowed.kind === 'global' ? unknownInstance(name) : unauthorized())
    },
  }
}
