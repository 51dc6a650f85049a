import type { ProviderParts, WhatsAppProvider } from '../provider.ts'
import { baileysProvider } from './baileys.ts'
import { evolutionProvider } from './evolution.ts'
import { metaProvider } from './meta.ts'
import { officialProvider } from './official.ts'
import { twilioProvider } from './twilio.ts'

/** Every provider: a new one is a file beside this, and a line here. */
const factories: readonly ((parts: ProviderParts) => WhatsAppProvider)[] = [
  metaProvider,
  officialProvider,
  twilioProvider,
  evolutionProvider,
  baileysProvider,
]

export function makeProviders(parts: ProviderParts): ReadonlyMap<string, WhatsAppProvider> {
  return new Map(factories.map(make => make(parts)).map(provider => [provider.name, provider]))
}
