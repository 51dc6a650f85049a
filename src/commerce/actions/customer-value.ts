import * as v from 'valibot'
import type { CustomerProfile } from '../customer-profile.ts'
import { anyJson } from './shapes.ts'

export const customerShape = v.strictObject({
  name: v.nullable(v.string()),
  phone: v.nullable(v.string()),
  email: v.nullable(v.string()),
  variables: v.record(v.string(), anyJson),
  tags: v.array(v.string()),
})

/** What a flow is told of its customer. */
export function customerValue({ name, phone, email, variables, tags }: CustomerProfile) {
  return { name: name === '' ? null : name, phone, email, variables, tags }
}
