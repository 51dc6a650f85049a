import { toJson, toText } from './cel-values.ts'
import { brokenExpression, type Expression, ExpressionError, parseExpression, type Scope } from './expression.ts'
import { isJsonObject, type Json } from './json.ts'

/** A JSON value of a flow document with its `{{…}}` parsed; what holds none is one constant. */
export type Template =
  | { readonly kind: 'constant'; readonly value: Json }
  | { readonly kind: 'text'; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: 'value'; readonly expression: Expression }
  | { readonly kind: 'list'; readonly items: readonly Template[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [key: string, value: Template])[] }

/** Whether a text holds `{{`. */
export function hasTemplate(text: string): boolean {
  return text.includes('{{')
}

/** Whether a text is one whole `{{…}}` with nothing around it but spaces. */
export function isWholeTemplate(text: string): boolean {
  const parts = split(text.trim())
  return parts !== null && parts.length === 1 && typeof parts[0] === 'object'
}

/**
 * Parses a value of a flow document. `field` is where it stands in its step ("content.text"). A text that is one
 * whole `{{…}}` keeps its value's type where `keepsType(key)` says so for the key it stands under; else it is a text.
 */
export function compileTemplate(value: Json, field: string, keepsType: (key: string) => boolean, key = ''): Template {
  if (typeof value === 'string') return compileText(value, field, keepsType(key))
  if (typeof value !== 'object' || value === null) return { kind: 'constant', value }
  const compiled: Template = isJsonObject(value)
    ? {
        kind: 'object',
        entries: Object.entries(value).map(([k, item]) => [k, compileTemplate(item, `${field}.${k}`, keepsType, k)]),
      }
    : {
        kind: 'list',
        items: value.map((item, index) => compileTemplate(item, `${field}.${index}`, keepsType, key)),
      }
  return isConstant(compiled) ? { kind: 'constant', value } : compiled
}

function isConstant(template: Template): boolean {
  if (template.kind === 'list') return template.items.every(item => item.kind === 'constant')
  if (template.kind === 'object') return template.entries.every(([, item]) => item.kind === 'constant')
  return template.kind === 'constant'
}

function compileText(text: string, field: string, keepsType: boolean): Template {
  if (!hasTemplate(text)) return { kind: 'constant', value: text }
  if (keepsType && isWholeTemplate(text)) return { kind: 'value', expression: wholeExpression(text, field) }
  const parts = split(text)
  if (parts === null) return { kind: 'value', expression: brokenExpression(text, field, UNCLOSED) }
  return {
    kind: 'text',
    parts: parts.map(part => (typeof part === 'string' ? part : parseExpression(part.source, field))),
  }
}

const UNCLOSED = 'a {{ has no }} that closes it'

function wholeExpression(text: string, field: string): Expression {
  const [part] = split(text.trim()) ?? []
  return typeof part === 'object' ? parseExpression(part.source, field) : brokenExpression(text, field, UNCLOSED)
}

/** The literal and the `{{…}}` parts in order, or null when one isn't closed. */
function split(text: string): readonly (string | { readonly source: string })[] | null {
  const parts: (string | { source: string })[] = []
  let from = 0
  while (from < text.length) {
    const open = text.indexOf('{{', from)
    if (open < 0) break
    const close = closingBraces(text, open + 2)
    if (close < 0) return null
    if (open > from) parts.push(text.slice(from, open))
    parts.push({ source: text.slice(open + 2, close).trim() })
    from = close + 2
  }
  if (from < text.length) parts.push(text.slice(from))
  return parts
}

/** Where the `}}` stands that ends an expression begun at `from`: not inside a text or a map of it. -1 without one. */
function closingBraces(text: string, from: number): number {
  let depth = 0
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const character = text.charAt(at)
    if (quote !== '') {
      if (character === '\\') at++
      else if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '{') depth++
    else if (character === '}' && depth > 0) depth--
    else if (character === '}' && text.charAt(at + 1) === '}') return at
  }
  return -1
}

/** The value with its expressions evaluated. Throws ExpressionError. */
export function renderTemplate(template: Template, scope: Scope): Json {
  switch (template.kind) {
    case 'constant':
      return template.value
    case 'text':
      return renderText(template.parts, scope)
    case 'value':
      return convert(template.expression, scope, toJson)
    case 'list':
      return template.items.map(item => renderTemplate(item, scope))
    case 'object':
      return Object.fromEntries(template.entries.map(([key, item]) => [key, renderTemplate(item, scope)]))
  }
}

function renderText(parts: readonly (string | Expression)[], scope: Scope): string {
  let text = ''
  for (const part of parts) text += typeof part === 'string' ? part : convert(part, scope, toText)
  return text
}

function convert<T>(expression: Expression, scope: Scope, conversion: (value: unknown) => T): T {
  const value = expression.evaluate(scope)
  try {
    return conversion(value)
  } catch (error) {
    throw new ExpressionError(expression.field, error instanceof Error ? error.message : String(error))
  }
}

/** Every expression of a template. */
export function expressionsOf(template: Template): readonly Expression[] {
  switch (template.kind) {
    case 'constant':
      return []
    case 'text':
      return template.parts.filter(part => typeof part === 'object')
    case 'value':
      return [template.expression]
    case 'list':
      return template.items.flatMap(expressionsOf)
    case 'object':
      return template.entries.flatMap(([, item]) => expressionsOf(item))
  }
}
