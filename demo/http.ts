import * as v from 'valibot'

/** Calls JSON over HTTP. Throws with what the other side said where the answer is no success. */
export async function call<T>(
  schema: v.GenericSchema<unknown, T>,
  method: string,
  url: string,
  options: { readonly body?: unknown; readonly token?: string } = {},
): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(options.token && { authorization: `Bearer ${options.token}` }),
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`)
  return v.parse(schema, text === '' ? null : JSON.parse(text))
}

/** For an answer of which nothing is needed. */
export const anything = v.unknown()
