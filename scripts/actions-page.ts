// The page of the actions that flows can call, from what each says of itself.
import { toJsonSchema } from '@valibot/to-json-schema'
import * as v from 'valibot'
import type { Action } from '../src/commerce/actions/action.ts'
import { actions } from '../src/commerce/actions/actions.ts'
import { exampleProductsSchema, openExampleShop } from '../src/commerce/actions/example-shop.ts'
import { exampleIds } from '../src/commerce/actions/shapes.ts'
import { jsonBlock, page, table } from './markdown.ts'

const about = [
  'What a step of type `action` can call as its `handler`. `input` is checked once its `{{…}}` are filled in; one that is',
  'wrong is refused with `invalid_input`, and so is a field that is not listed here. What comes of it is in the step’s',
  '`variable`, or, where it is refused, the flow goes on at the step’s `error` with `error.code`, `error.message` and,',
  'where it is said below, `error.data`. An action that is refused has changed nothing. Those on the database are part of',
  'the turn: what they write and what the flow says is committed together or not at all. The others are asked once the',
  'turn is committed, and the flow goes on with their answer.\n\nAmounts are whole numbers in minor units (cents); times',
  'are RFC 3339 in UTC. Who publishes a flow needs the permission of each action that it calls.',
].join(' ')

/** Each section shows what the action answers in an example shop. */
export async function actionsPage(): Promise<string> {
  const sections = await Promise.all([...actions.values()].map(section))
  const list = [...actions.values()].map(({ handler, permission, kind }) => [
    `[\`${handler}\`](#${handler.replaceAll('.', '')})`,
    kind === 'database' ? 'in the turn' : 'outside',
    `\`${permission}\``,
  ])
  return page('Actions', about, [table(['action', 'where', 'permission'], list), ...sections].join('\n\n'))
}

async function section(action: Action): Promise<string> {
  const { handler, doc } = action
  const answer = await answerOf(action)
  return [
    `## ${handler}`,
    doc.about,
    inputTable(action),
    errorTable(action),
    'As a flow calls it:',
    jsonBlock({ type: 'action', handler, input: doc.example, variable: 'result', next: 'end' }),
    `What \`result\` is then: \`${typeText(schemaOf(doc.value, 'output'))}\`${answer === null ? '' : ', as in'}`,
    ...(answer === null ? [] : [jsonBlock(answer)]),
  ]
    .filter(part => part !== '')
    .join('\n\n')
}

function inputTable({ input }: Action): string {
  const { properties = {}, required = [] } = schemaOf(input, 'input')
  const rows = Object.entries(properties).map(([name, field]) => [
    `\`${name}\``,
    typeText(field),
    required.includes(name) ? 'needed' : defaultText(field),
    meaningOf(field),
  ])
  return rows.length === 0 ? 'It takes no input.' : table(['input', 'takes', 'default', 'meaning'], rows)
}

function errorTable({ doc }: Action): string {
  const rows = Object.entries(doc.errors).map(([code, meaning]) => [`\`${code}\``, meaning])
  return rows.length === 0 ? '' : table(['refused with', 'where'], rows)
}

/** What an action on the database answers; null of those that ask somebody outside. */
async function answerOf({ handler, kind, doc }: Action): Promise<unknown> {
  if (kind === 'outside') return null
  const perform = openExampleShop(
    v.parse(
      exampleProductsSchema,
      [
        {
          id: exampleIds.product,
          sku: 'cafe-250',
          name: 'Café molido',
          description: 'Tueste medio, 250 g',
          price_minor: 650,
        },
        { sku: 'te-verde', name: 'Té verde', price_minor: 480 },
      ].map(product => ({ ...product, currency: 'EUR', stock: 40 })),
    ),
    {
      sellers: [{ id: exampleIds.seller, name: 'Luz', turn: 0, openConversations: 0, active: true }],
      now: () => new Date('2026-01-31T12:00:00Z'),
    },
  )
  await perform('order.create', { items: [{ product_id: exampleIds.product, quantity: 1 }] })
  await perform('cart.add', { product_id: exampleIds.product, quantity: 1 })
  const answer = await perform(handler, doc.example)
  if (!answer.ok) throw new Error(`The example of ${handler} is refused: ${answer.message}`)
  return answer.value
}

type Schema = {
  readonly type?: string
  readonly format?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}

function schemaOf(schema: v.GenericSchema, typeMode: 'input' | 'output'): Schema {
  // What is made of JSON Schema is read as such.
  return toJsonSchema(schema, { typeMode, errorMode: 'ignore' }) as Schema
}

function typeText(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ')
  if (schema.enum !== undefined) return schema.enum.map(one => JSON.stringify(one)).join(' or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  switch (schema.type) {
    case 'integer':
    case 'number':
      return `${schema.type === 'integer' ? 'whole number' : 'number'}${rangeText(schema.minimum, schema.maximum)}`
    case 'string':
      if (schema.format === 'uuid') return 'id'
      return schema.maxLength === undefined ? 'text' : `text of at most ${schema.maxLength} characters`
    case 'boolean':
      return 'true or false'
    case 'null':
      return 'null'
    case 'array':
      return `list${lengthText(schema)} of ${typeText(schema.items ?? {})}`
    case 'object':
      return schema.properties === undefined ? 'object' : objectText(schema.properties, schema.required ?? [])
    default:
      return 'any JSON'
  }
}

function objectText(properties: Readonly<Record<string, Schema>>, required: readonly string[]): string {
  const fields = Object.entries(properties).map(
    ([name, field]) => `${name}${required.includes(name) ? '' : '?'}: ${typeText(field)}`,
  )
  return `{${fields.join(', ')}}`
}

function lengthText({ minItems, maxItems }: Schema): string {
  return minItems === undefined && maxItems === undefined ? '' : ` (${minItems ?? 0} to ${maxItems ?? 'any'})`
}

function rangeText(min: number | undefined, max: number | undefined): string {
  const isOpen = max === undefined || max >= Number.MAX_SAFE_INTEGER
  if (min === undefined) return isOpen ? '' : ` up to ${max}`
  return isOpen ? ` from ${min}` : ` from ${min} to ${max}`
}

function defaultText(field: Schema): string {
  const value = field.default
  return value === undefined || value === null || value === '' ? '' : `\`${JSON.stringify(value)}\``
}

/** The description of a field, or of what it may be besides null. */
function meaningOf(field: Schema): string {
  return field.description ?? field.anyOf?.find(one => one.description !== undefined)?.description ?? ''
}
