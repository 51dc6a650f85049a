import { type Context, Hono } from 'hono'
import * as v from 'valibot'
import { numberOf, Refused, read } from '../read-control.ts'
import type { Stage } from './dialect.ts'
import { type EvolutionNumber, isEvolution } from './evolution-account.ts'
import type { Connections } from './evolution-connection.ts'
import type { Pairings } from './evolution-pairing.ts'
import { key } from './number-input.ts'

/** The server that all instances are on. Its key is known to it before there is any instance. */
export type EvolutionServer = { isLicenseRequired: boolean; apiKey: string | null }

const scanInput = v.strictObject({
  phone: v.exactOptional(v.pipe(v.string(), v.regex(/^\+?\d{5,15}$/, 'is not a phone number'))),
})
const nothing = v.strictObject({})
const serverInput = v.strictObject({ license_required: v.exactOptional(v.boolean()), api_key: v.exactOptional(key) })

/** What the phone does with an instance, and what happens to the server: part of the control API. */
export function evolutionControl(
  stage: Stage,
  pairings: Pairings,
  connections: Connections,
  server: EvolutionServer,
): Hono {
  const app = new Hono()
  app.get('/numbers/:id/qr', context => {
    const { id, account } = instanceOf(context)
    const { count, code = null, base64 = null, pairingCode = null } = pairings.qr(id)
    return context.json({ state: account.state, count, code, base64, pairing_code: pairingCode })
  })
  app.post('/numbers/:id/scan', async context => {
    const number = instanceOf(context)
    const { phone } = await read(context, scanInput)
    const isShown = pairings.qr(number.id).code !== undefined
    if (!isShown) throw new Refused(409, 'The instance shows no QR: its bot has to connect it first.')
    return context.json(shown(connections.link(number, phone?.replace('+', '') ?? null)))
  })
  app.post('/numbers/:id/log-out', async context => {
    const number = await linked(context)
    return context.json(shown(connections.logOut(number)))
  })
  app.post('/numbers/:id/drop', async context => context.json(shown(connections.drop(await linked(context)))))
  app.post('/numbers/:id/reconnect', async context => context.json(shown(connections.open(await linked(context)))))
  app.get('/evolution', context => context.json(shownServer()))
  app.put('/evolution', async context => {
    const { license_required, api_key } = await read(context, serverInput)
    server.isLicenseRequired = license_required ?? server.isLicenseRequired
    server.apiKey = api_key ?? server.apiKey
    return context.json(shownServer())
  })
  return app

  function instanceOf(context: Context): EvolutionNumber {
    const number = numberOf(stage.world, context.req.param('id') ?? '')
    if (!isEvolution(number))
      throw new Refused(422, `The number ${number.id} is not linked to devices: only Evolution's are.`)
    return number
  }

  async function linked(context: Context): Promise<EvolutionNumber> {
    const number = instanceOf(context)
    await read(context, nothing)
    if (!number.account.is_linked) throw new Refused(409, 'The phone is not linked: let it scan the QR first.')
    return number
  }

  function shownServer() {
    return { license_required: server.isLicenseRequired, has_api_key: server.apiKey !== null }
  }
}

function shown({ id, account }: EvolutionNumber) {
  return { id, state: account.state }
}
