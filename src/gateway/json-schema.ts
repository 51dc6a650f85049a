import * as v from 'valibot'

/** A JSON Schema, as it stands in an OpenAPI 3.1 document. */
export type JsonSchema = { readonly [key: string]: unknown }

const names = new WeakMap<object, string>()
const written = new WeakMap<object, JsonSchema>()

type Same<TSchema extends v.GenericSchema> = v.GenericSchema<v.InferInput<TSchema>, v.InferOutput<TSchema>>

/** Gives a schema a name, under which the API document shows it once. */
export function named<TSchema extends v.GenericSchema>(name: string, schema: TSchema): Same<TSchema> {
  const whole = wholeOf(schema)
  names.set(whole, name)
  return whole
}

/** Says in JSON Schema what a schema takes, where it cannot be told from its parts. */
export function writtenAs<TSchema extends v.GenericSchema>(jsonSchema: JsonSchema, schema: TSchema): Same<TSchema> {
  const whole = wholeOf(schema)
  written.set(whole, jsonSchema)
  return whole
}

const standIns = new WeakMap<object, v.GenericSchema>()

/** Says what a schema takes by another one, which is only shown: where the check itself is made elsewhere. */
export function shownAs<TSchema extends v.GenericSchema>(standIn: v.GenericSchema, schema: TSchema): Same<TSchema> {
  // Wrapped always: the schema itself may be in use elsewhere, as what it is.
  const whole = v.union([schema])
  standIns.set(whole, standIn)
  return whole
}

/** The conversion looks at a pipe's parts only, so one that is to be met as a whole is wrapped: a union of one. */
function wholeOf<TSchema extends v.GenericSchema>(schema: TSchema): Same<TSchema> {
  return 'pipe' in schema ? v.union([schema]) : schema
}

/** The shape in which hono-openapi takes a schema; it is turned into JSON Schema only when the document is asked for. */
export function documented(schema: v.GenericSchema, typeMode: 'input' | 'output') {
  return {
    vendor: 'valibot',
    validate: schema['~standard'].validate,
    toJSONSchema: async () => (await convert(schema, typeMode)).schema,
    toOpenAPISchema: () => convert(schema, typeMode),
  }
}

async function convert(schema: v.GenericSchema, typeMode: 'input' | 'output') {
  const { toJsonSchema } = await import('@valibot/to-json-schema')
  const schemas: Record<string, JsonSchema> = {}

  function convertOne(given: v.GenericSchema): JsonSchema {
    const one = standIns.get(given) ?? given
    const { $schema: _, ...jsonSchema } = toJsonSchema(one, {
      typeMode,
      errorMode: 'ignore',
      overrideSchema({ valibotSchema, jsonSchema: inner }) {
        if (valibotSchema === one) return inner
        return (
          referenceTo(valibotSchema as v.GenericSchema) ??
          written.get(valibotSchema) ??
          shownInstead(valibotSchema) ??
          dateOf(valibotSchema)
        )
      },
    })
    return jsonSchema
  }

  function referenceTo(one: v.GenericSchema): JsonSchema | undefined {
    const name = names.get(one)
    if (name === undefined) return undefined
    if (!(name in schemas)) {
      schemas[name] = {}
      schemas[name] = written.get(one) ?? convertOne(one)
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  function shownInstead(one: object): JsonSchema | undefined {
    const standIn = standIns.get(one)
    return standIn && convertOne(standIn)
  }

  const result = referenceTo(schema) ?? written.get(schema) ?? convertOne(schema)
  return { schema: result, components: { schemas } }
}

/** A date is written as RFC 3339. */
function dateOf(schema: { readonly type: string }): JsonSchema | undefined {
  return schema.type === 'date' ? { type: 'string', format: 'date-time' } : undefined
}
