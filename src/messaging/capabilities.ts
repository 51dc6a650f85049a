import type { BotConfig, ProviderName } from './bot-config.ts'
import type { Identity } from './resolve-customers.ts'

/** What a provider can show, and how it is reached: what is not there is turned into what is, before it is sent. */
export type Capabilities = {
  /** How a bot gets its account: `keys` that a person enters, or a phone that scans a QR code or types a code. */
  readonly pairing: 'keys' | 'phone'
  /** Whether only templates may go out 24 hours after the customer last wrote. */
  readonly hasWindow: boolean
  readonly templates: boolean
  readonly buttons: boolean
  readonly lists: boolean
  readonly location: boolean
  readonly contacts: boolean
  readonly reactions: boolean
  readonly stickers: boolean
  /** Code units of one text, and of one with buttons or a list. A longer one goes out in several messages. */
  readonly textLengthMax: number
  readonly choiceTextLengthMax: number
  /** Whether files that are kept here can be sent: uploaded, or by a link. */
  readonly files: boolean
  /** Whether statuses hand back what a send gave along: without it they name a message by the provider's id alone. */
  readonly returnsReference: boolean
  /** What a customer can be written to by, best first. */
  readonly addresses: readonly Identity['kind'][]
}

const cloud: Capabilities = {
  pairing: 'keys',
  hasWindow: true,
  templates: true,
  buttons: true,
  lists: true,
  location: true,
  contacts: true,
  reactions: true,
  stickers: true,
  textLengthMax: 4_096,
  choiceTextLengthMax: 1_024,
  files: true,
  returnsReference: true,
  addresses: ['phone', 'bsuid'],
}

/** The API that ran on a business's own machines. */
const legacy: Capabilities = { ...cloud, returnsReference: false, addresses: ['phone'] }

/** WhatsApp Web: buttons, lists and templates do not reach every phone there. */
const web: Capabilities = {
  ...cloud,
  pairing: 'phone',
  hasWindow: false,
  templates: false,
  buttons: false,
  lists: false,
  addresses: ['phone', 'lid'],
}

const capabilities: Readonly<Record<ProviderName, Capabilities>> = {
  meta: cloud,
  official: cloud,
  // A text of Twilio's has 1,600 characters; reactions and contacts cannot be sent ("Messages resource"). A sticker is
  // an image/webp file ("Guidance on WhatsApp media messages").
  twilio: {
    ...cloud,
    contacts: false,
    reactions: false,
    textLengthMax: 1_600,
    addresses: ['phone'],
  },
  evolution: { ...web, returnsReference: false },
  baileys: web,
}

/** What a bot can show, by its provider and its settings. */
export function capabilitiesOf(provider: ProviderName, config: BotConfig): Capabilities {
  if (provider === 'official' && config.flavour === 'legacy') return legacy
  return capabilities[provider]
}
