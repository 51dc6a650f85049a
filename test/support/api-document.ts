type Schema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly pattern?: string
  readonly format?: string
}
type Content = Readonly<Record<string, { readonly schema: Schema }>>
type Header = { readonly $ref?: string; readonly required?: boolean; readonly schema?: Schema }
type Operation = {
  readonly operationId?: string
  readonly 'x-permission'?: string
  readonly requestBody?: object
  readonly responses: Readonly<
    Record<string, { readonly content?: Content; readonly headers?: Readonly<Record<string, Header>> }>
  >
}

/** What the tests read of an OpenAPI document. */
export type ApiDocument = {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly headers: Readonly<Record<string, Header>>
  }
}

type Answer = { readonly status: number; readonly headers: Headers; readonly json: unknown }

/** In what an answer differs from what the document says of it. What the document has no path for may be a 404 only. */
export function faultsOf(api: ApiDocument, method: string, path: string, answer: Answer): string[] {
  const operation = operationOf(api, method, path)
  if (operation === undefined) return [404, 405].includes(answer.status) ? [] : ['the route is not documented']
  const response = operation.responses[answer.status]
  if (response === undefined) return [`the status ${answer.status} is not documented`]
  return [...checkHeaders(api, response.headers ?? {}, answer.headers), ...checkContent(api, response.content, answer)]
}

function checkHeaders(api: ApiDocument, documented: Readonly<Record<string, Header>>, headers: Headers): string[] {
  return Object.entries(documented).flatMap(([name, given]) => {
    const header = api.components.headers[given.$ref?.replace('#/components/headers/', '') ?? ''] ?? given
    const value = headers.get(name)
    if (value === null) return header.required ? [`the header ${name} is missing`] : []
    const isNumber = header.schema?.type === 'integer'
    return check(api, header.schema ?? {}, isNumber ? Number(value) : value, `header ${name}`)
  })
}

function checkContent(api: ApiDocument, content: Content | undefined, answer: Answer): string[] {
  const type = (answer.headers.get('content-type') ?? '').replace(/;.*/, '')
  if (content === undefined) return type === '' ? [] : [`an answer of ${type} where none is documented`]
  const media = content[type] ?? content['*/*']
  if (media === undefined) return [`the type ${type} is not documented`]
  return type.includes('json') ? check(api, media.schema, answer.json, 'answer') : []
}

function operationOf(api: ApiDocument, method: string, path: string): Operation | undefined {
  const found = Object.entries(api.paths).find(([pattern]) =>
    new RegExp(`^${pattern.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path),
  )
  return found?.[1][method.toLowerCase()]
}

/** The part of JSON Schema that the document uses, held against a value. */
function check(api: ApiDocument, schema: Schema, value: unknown, path: string): string[] {
  if (schema.$ref !== undefined) return check(api, referenced(api, schema.$ref), value, path)
  const several = schema.anyOf ?? schema.oneOf
  if (several !== undefined) {
    const tries = several.map(one => check(api, one, value, path))
    return tries.some(faults => faults.length === 0) ? [] : [...new Set(tries.flat())]
  }
  if (schema.const !== undefined && value !== schema.const) return [`${path} is not ${JSON.stringify(schema.const)}`]
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${path} is none of ${schema.enum.join(', ')}`]
  if (schema.type !== undefined && ![schema.type].flat().includes(typeOf(value)) && !isWhole(schema, value))
    return [`${path} is ${typeOf(value)}, not ${schema.type}`]
  if (typeof value === 'string') return checkText(schema, value, path)
  if (Array.isArray(value))
    return value.flatMap((item, index) => check(api, schema.items ?? {}, item, `${path}.${index}`))
  return typeof value === 'object' && value !== null ? checkObject(api, schema, value, path) : []
}

function referenced(api: ApiDocument, reference: string): Schema {
  const schema = api.components.schemas[reference.replace('#/components/schemas/', '')]
  if (schema === undefined) throw new Error(`${reference} leads nowhere`)
  return schema
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function isWhole(schema: Schema, value: unknown): boolean {
  return schema.type === 'integer' && Number.isSafeInteger(value)
}

function checkText(schema: Schema, value: string, path: string): string[] {
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
    return [`${path} does not fit ${schema.pattern}`]
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)
  return schema.format === 'date-time' && !isTime ? [`${path} is no time in UTC`] : []
}

function checkObject(api: ApiDocument, schema: Schema, value: object, path: string): string[] {
  const properties = schema.properties ?? {}
  const missing = (schema.required ?? []).filter(key => !(key in value)).map(key => `${path}.${key} is missing`)
  const faults = Object.entries(value).flatMap(([key, item]) => {
    const property =
      properties[key] ?? (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined)
    if (property !== undefined) return check(api, property, item, `${path}.${key}`)
    return schema.additionalProperties === false ? [`${path}.${key} is not documented`] : []
  })
  return [...missing, ...faults]
}
