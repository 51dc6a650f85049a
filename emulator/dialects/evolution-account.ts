import * as v from 'valibot'
import type { BusinessNumber } from '../records.ts'
import type { World } from '../world.ts'
import { type AccountOf, accountOf, speaks } from './accounts.ts'
import type { NumberDraft } from './dialect.ts'
import { commonFields, headers, key, parted, webhookUrl } from './number-input.ts'

export type EvolutionAccount = AccountOf<'evolution'>
export type EvolutionNumber = BusinessNumber & { readonly account: EvolutionAccount }

/** The events that a webhook may be set for (`EventController.events` of Evolution API 2.3). */
export const eventNames = [
  ...['APPLICATION_STARTUP', 'INSTANCE_CREATE', 'INSTANCE_DELETE', 'REMOVE_INSTANCE', 'STATUS_INSTANCE'],
  ...['LOGOUT_INSTANCE', 'QRCODE_UPDATED', 'CONNECTION_UPDATE', 'MESSAGES_SET', 'MESSAGES_UPSERT', 'MESSAGES_EDITED'],
  ...['MESSAGES_UPDATE', 'MESSAGES_DELETE', 'SEND_MESSAGE', 'SEND_MESSAGE_UPDATE', 'CONTACTS_SET', 'CONTACTS_UPSERT'],
  ...['CONTACTS_UPDATE', 'PRESENCE_UPDATE', 'CHATS_SET', 'CHATS_UPSERT', 'CHATS_UPDATE', 'CHATS_DELETE'],
  ...['GROUPS_UPSERT', 'GROUP_UPDATE', 'GROUP_PARTICIPANTS_UPDATE', 'LABELS_EDIT', 'LABELS_ASSOCIATION', 'CALL'],
  ...['TYPEBOT_START', 'TYPEBOT_CHANGE_STATUS'],
]

export const instanceName = v.pipe(v.string(), v.minLength(1), v.maxLength(100))

const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))

/** What `PUT /emulator/numbers/{id}` takes: a phone, and the instance that is linked to it or will be. */
export function evolutionNumberInput(id: string): v.GenericSchema<unknown, NumberDraft> {
  return v.pipe(
    v.strictObject({
      ...commonFields,
      webhook_url: v.optional(v.nullable(webhookUrl), null),
      api_key: key,
      instance: v.optional(instanceName, id),
      token: v.exactOptional(key),
      state: v.exactOptional(v.picklist(['absent', 'close', 'connecting', 'open'])),
      webhook_headers: v.optional(headers, {}),
      webhook_by_events: v.optional(v.boolean(), false),
      webhook_base64: v.optional(v.boolean(), false),
      webhook_events: v.optional(v.nullable(v.array(v.picklist(eventNames))), null),
      event_names: v.optional(v.picklist(['dotted', 'upper']), 'dotted'),
      addressing: v.optional(v.picklist(['pn', 'lid']), 'pn'),
      expose_api_key: v.optional(v.boolean(), true),
      qr_delay_ms: v.optional(whole(0, 60_000), 0),
      qr_rotate_ms: v.optional(whole(50, 600_000), 45_000),
      qr_limit: v.optional(whole(1, 100), 30),
    }),
    v.transform(input => {
      const { common, rest } = parted(input)
      const state = rest.state ?? (common.webhook_url === null ? 'absent' : 'open')
      const { token = newToken(), ...account } = rest
      const fixed = { dialect: 'evolution' as const, instance_id: crypto.randomUUID(), settings: {} }
      const standing = { state, is_linked: state === 'open', is_webhook_enabled: common.webhook_url !== null }
      return { ...common, account: { ...account, ...fixed, ...standing, token } }
    }),
  )
}

/** Keys that Evolution makes are UUIDs in capitals. */
export function newToken(): string {
  return crypto.randomUUID().toUpperCase()
}

/** The numbers of this dialect. */
export function evolutionNumbers(world: World): EvolutionNumber[] {
  return world.numbers().filter(number => isEvolution(number))
}

export function isEvolution(number: BusinessNumber): number is EvolutionNumber {
  return speaks(number.account, 'evolution')
}

/** Changes what is kept of an instance. Returns the number as it is now. */
export function changeAccount(
  world: World,
  { id }: BusinessNumber,
  change: Partial<EvolutionAccount>,
): EvolutionNumber {
  const number = world.number(id)
  if (number === null) throw new Error(`the number ${id} is gone`)
  const changed = { ...number, account: { ...accountOf(number, 'evolution'), ...change } }
  world.putNumber(changed)
  return changed
}

/** What a request may do by its `apikey`. The global key opens all instances of its server, a token its own one. */
export type Access =
  | { readonly kind: 'global'; readonly key: string }
  | { readonly kind: 'instance'; readonly number: EvolutionNumber }
  | { readonly kind: 'none' }

export function accessOf(world: World, request: Request, serverKey: string | null): Access {
  const given = request.headers.get('apikey')
  if (given === null || given === '') return { kind: 'none' }
  const numbers = evolutionNumbers(world)
  if (given === serverKey || numbers.some(({ account }) => account.api_key === given)) {
    return { kind: 'global', key: given }
  }
  const number = numbers.find(({ account }) => account.token === given && account.state !== 'absent')
  return number === undefined ? { kind: 'none' } : { kind: 'instance', number }
}

/** The instance of this name that a request may see. */
export function findInstance(world: World, access: Access, name: string): EvolutionNumber | null {
  if (access.kind === 'none') return null
  const seen = access.kind === 'instance' ? [access.number] : evolutionNumbers(world).filter(isOn(access.key))
  return seen.find(({ account }) => account.instance === name && account.state !== 'absent') ?? null
}

export function isOn(serverKey: string): (number: EvolutionNumber) => boolean {
  return ({ account }) => account.api_key === serverKey
}
