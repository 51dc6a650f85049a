import { outboundContentSchema } from '../flow/content.ts'
import { named } from './json-schema.ts'

/** What people and programs send, whichever route they take. */
export const outboundContent = named('OutboundContent', outboundContentSchema)
