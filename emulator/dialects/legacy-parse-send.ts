import * as v from 'valibot'
import type { Answer } from '../read-send.ts'
import { legacyAnswer, legacyError } from './legacy-errors.ts'
import { parseSend, type SendCommand } from './meta-parse-send.ts'

type Message = Extract<SendCommand, { kind: 'message' }>

const templateSchema = v.looseObject({
  type: v.literal('template'),
  template: v.looseObject({
    namespace: v.pipe(v.string(), v.nonEmpty()),
    language: v.looseObject({ policy: v.literal('deterministic'), code: v.string() }),
  }),
})

/**
 * Reads a body of `POST /v1/messages`. It differs from the Cloud API's in what it lacks: no `messaging_product`, no
 * user ids, nothing that comes back in statuses; and a template names its namespace and its language's policy.
 */
export function parseLegacySend(body: unknown): Message | { kind: 'refused'; answer: Answer } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return refused('The body is not a JSON object')
  const { recipient, biz_opaque_callback_data, status, messaging_product, ...fields } = Object(body)
  if (messaging_product !== undefined) return unwanted('messaging_product')
  if (fields.type === 'template' && !v.is(templateSchema, fields)) {
    const what = 'template needs a namespace, and a language with the policy deterministic'
    return { kind: 'refused', answer: legacyAnswer(400, 1009, 'Parameter value is not valid', what) }
  }
  const command = parseSend({ messaging_product: 'whatsapp', ...fields })
  if (command.kind === 'refused') return { kind: 'refused', answer: legacyError(command.error) }
  return command.kind === 'message' ? command : refused('This is not a message')
}

function unwanted(parameter: string): { kind: 'refused'; answer: Answer } {
  const details = `Parameter "${parameter}" is not a parameter of this API`
  return { kind: 'refused', answer: legacyAnswer(400, 1010, 'Parameter is not required', details) }
}

function refused(details: string): { kind: 'refused'; answer: Answer } {
  return { kind: 'refused', answer: legacyAnswer(400, 1025, 'Request not valid', details) }
}
