import { createHash } from 'node:crypto'

const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h2 { margin-top: 2.5rem; } code, pre { font: 14px/1.4 ui-monospace, monospace; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: 0 .8rem; }
summary { cursor: pointer; padding: .5rem 0; } details[open] > summary { border-bottom: 1px solid var(--line); }
pre { background: var(--soft); border-radius: 6px; overflow: auto; padding: .7rem; }
.method { display: inline-block; font-weight: 700; min-width: 4.5rem; } .soft { opacity: .7; }
table { border-collapse: collapse; } td { border-top: 1px solid var(--line); padding: .3rem .8rem .3rem 0; vertical-align: top; }
`

// Text goes in as text, never as HTML.
const script = `
const element = (name, attributes, ...children) => {
  const made = Object.assign(document.createElement(name), attributes)
  made.append(...children.filter(child => child !== undefined && child !== ''))
  return made
}
const typeOf = (schema = {}) => {
  if (schema.$ref) return schema.$ref.split('/').pop()
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(' | ')
  const several = schema.anyOf ?? schema.oneOf
  if (several) return several.map(typeOf).join(' | ')
  if (schema.type === 'array') return '[' + typeOf(schema.items) + ']'
  return schema.format ? schema.type + ' (' + schema.format + ')' : [schema.type ?? 'any'].flat().join(' | ')
}
const limitsOf = schema => ['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'default', 'pattern']
  .filter(key => schema[key] !== undefined).map(key => key + ' ' + JSON.stringify(schema[key])).join(', ')
const shape = (schema, depth = 0) => {
  const pad = '  '.repeat(depth + 1)
  if (schema?.type === 'array' && !schema.items?.$ref) return '[' + shape(schema.items, depth) + ']'
  const several = schema?.anyOf ?? schema?.oneOf
  if (several?.some(one => one.properties)) return several.map(one => shape(one, depth)).join('\\n' + pad.slice(2) + '| ')
  if (!schema?.properties) return typeOf(schema)
  const lines = Object.entries(schema.properties).filter(([, value]) => !(value.readOnly && value.description === 'Ignored'))
    .map(([name, value]) => {
      const note = [limitsOf(value), value.description].filter(Boolean).join('; ')
      return pad + name + (schema.required?.includes(name) ? '' : '?') + ': ' + shape(value, depth + 1) + (note && '  // ' + note)
    })
  return '{\\n' + lines.join('\\n') + '\\n' + pad.slice(2) + '}'
}
const bodies = content => Object.entries(content ?? {}).flatMap(([type, media]) => media.schema
  ? [element('p', { className: 'soft' }, type), element('pre', {}, shape(media.schema))] : [])
const operation = (path, method, route) => {
  const parts = [element('p', {}, route.description ?? '')]
  if (route.security) parts.push(element('p', { className: 'soft' }, 'Authorization: Bearer <access token>'))
  if (route.parameters?.length) parts.push(element('h4', {}, 'Parameters'), element('table', {}, ...route.parameters.map(one =>
    element('tr', {}, element('td', {}, element('code', {}, one.name)), element('td', {}, one.in),
      element('td', {}, typeOf(one.schema) + ' ' + limitsOf(one.schema ?? {}) + ' ' + (one.description ?? one.schema?.description ?? ''))))))
  if (route.requestBody) parts.push(element('h4', {}, 'Body'), ...bodies(route.requestBody.content))
  for (const [status, answer] of Object.entries(route.responses ?? {})) {
    const isProblem = answer.content?.['application/problem+json']
    parts.push(element('h4', {}, status + ' ' + (answer.description ?? '')), ...(isProblem ? [] : bodies(answer.content)))
  }
  const head = element('summary', {}, element('span', { className: 'method' }, method.toUpperCase()),
    element('code', {}, path), ' ', element('span', { className: 'soft' }, route.summary ?? ''))
  return element('details', {}, head, ...parts)
}
const show = api => {
  const main = document.querySelector('main')
  main.replaceChildren(element('h1', {}, api.info.title + ' API ' + api.info.version), element('p', {}, api.info.description),
    element('p', {}, element('a', { href: '/openapi.json' }, 'openapi.json')))
  const groups = new Map()
  for (const [path, methods] of Object.entries(api.paths)) for (const [method, route] of Object.entries(methods)) {
    const tag = route.tags?.[0] ?? 'Other'
    groups.set(tag, [...(groups.get(tag) ?? []), operation(path, method, route)])
  }
  for (const [tag, operations] of groups) main.append(element('h2', {}, tag), ...operations)
  main.append(element('h2', {}, 'Schemas'))
  for (const [name, schema] of Object.entries(api.components.schemas))
    main.append(element('details', { id: name }, element('summary', {}, element('code', {}, name)), element('pre', {}, shape(schema))))
}
fetch('/openapi.json').then(answer => answer.json()).then(show).catch(error => {
  document.querySelector('main').textContent = 'The API document could not be read: ' + error.message
})
`

/** One page that shows `/openapi.json` to people. It loads nothing else. */
export const docsPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>DashOffice API</title><style>${style}</style></head>
<body><main>Reading the API document…</main><script>${script}</script></body></html>
`

/** What the page may do: its own script and style, and reading from here. */
export const docsPolicy = [
  "default-src 'none'",
  `script-src 'sha256-${sha256(script)}'`,
  `style-src 'sha256-${sha256(style)}'`,
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
