import { type CelFunction, usageOf } from '../src/flow/cel-function.ts'
import { functionGroups } from '../src/flow/cel-functions.ts'
import { ROOT_FIELDS } from '../src/flow/expression.ts'
import { evaluate, names } from '../src/flow/expressions.fixture.ts'
import * as limits from '../src/flow/limits.ts'
import { page, table } from './markdown.ts'

/** What each name that expressions can read is; the ones with fields have a line for each. */
const meanings: Readonly<Record<string, string>> = {
  'customer.id': 'The id of the customer.',
  'customer.name': 'Null where it is not known.',
  'customer.phone': 'As `+34600111222`; null where WhatsApp hides it.',
  'customer.email': 'Null where it is not known.',
  'customer.variables': 'What was kept about the customer: `customer.variables.size`.',
  'customer.tags': 'The tags of the customer.',
  'customer.opted_out': 'Whether the customer asked to be left alone.',
  'conversation.id': 'The id of the conversation.',
  'conversation.bot_id': 'The id of the bot that it is with.',
  'message.type': '`text`, `choice`, `image`… of the message being handled; empty when none is.',
  'message.text': 'What the customer wrote, the title that was tapped, or the caption; empty without one.',
  'message.choice_id': 'The id of what was tapped; empty when nothing was.',
  'message.referral':
    'The advertisement or post that led here: `source_type`, `source_id`, `source_url`, `headline`, `body`, `click_id`; null without one.',
  'window.open': 'Whether anything may be sent now, and not only templates.',
  'window.minutes_left': 'How long that stays so.',
  'business.name': 'The name of the business.',
  'business.open': 'Whether it is open now, by its hours and holidays.',
  'business.language': '`es`, `en` or `pt`.',
  'business.currency': 'Like `EUR`; null where none is set.',
  'business.opens_at': 'When it opens next, a moment; null while it is open, and where it does not within two months.',
  'business.time_zone': 'Like `Europe/Madrid`.',
}

/** What CEL itself brings, by example. */
const builtIns: readonly (readonly [about: string, example: string])[] = [
  ['Arithmetic; whole numbers stay whole', '7 / 2'],
  ['… and others do not', '7 / 2.0'],
  ['Comparing', '"b" > "a" && 2 != 3'],
  ['One or the other', 'size(cart) > 1 ? "varios" : "uno"'],
  ['Texts put together', '"Hola " + customer.name'],
  ['A number as a text, and back', 'string(3) + "/" + string(int("4") + 1)'],
  ['In a list', '"vip" in customer.tags'],
  ['A field, whether it is there', 'has(customer.variables.size)'],
  ['An item', 'cart[0].name'],
  ['Something of each item', 'cart.map(line, line.quantity * 2)'],
  ['Some of the items', 'cart.filter(line, line.quantity > 1).map(line, line.name)'],
  ['Of all, of any', 'cart.all(line, line.quantity > 0) && cart.exists(line, line.name == "Agua")'],
  ['A list as a text', 'cart.map(line, line.name).join(", ")'],
  ['A text as a list', '"a,b".split(",")'],
  ['How long', 'size("hola") + size(cart)'],
  ['What a text has', '"hola".startsWith("ho") && "hola".contains("ol")'],
  ['A part of a text', '"pedido 17".substring(7)'],
  ['Without spaces around', '" hola ".trim()'],
  ['An object', '{"id": "a", "title": cart[0].name}'],
  ['A name for a value', 'cel.bind(total, sum(pluck(cart, "price_minor")), total * 2 + total)'],
  ['Moments and durations', 'now + duration("36h") > timestamp("2026-11-26T00:00:00Z")'],
]

const about =
  'Conditions, and what stands in `{{…}}`, are expressions of [CEL](https://cel.dev), the Common Expression Language. They read the variables of the run by their names, and what is listed here. A text that is one whole `{{…}}` keeps the type of its value in the input of an action, and as the buttons, rows or sections of a content; anywhere else it becomes text. Each is checked before a flow is published, types and all.'

const aboutResults = `The results below, here and further on, are those of a shop in Madrid that speaks Spanish and sells in euros, at 17:15 on the 25th of November of 2026, with \`cart\` being \`${JSON.stringify(names.cart)}\`.`

const aboutFunctions =
  'Each may also be written as a method of its first argument: `cart.sumOf("quantity")` is `sumOf(cart, "quantity")`. Arguments with a `?` may be left out. A time is a timestamp like `now`, or a text: a day like `2026-12-25`, as answers of type `date` are, or RFC 3339. Days and hours are those of the business’s time zone; what is written is in its language unless the call names one (`es`, `en-US`, `pt`…).'

const aboutCost =
  'What an expression may cost is bounded too, by the size of what it reads and makes: one that loops over thousands of things within thousands fails with "the expression does too much work". `matches()` is not there; `join()` and `duration()` take a literal text.'

/** docs/reference/expressions.md, with each example's result as the code computes it. */
export function expressionsPage(): string {
  const body = [
    '## What they read',
    table(['name', 'type', 'meaning'], [...rootRows(), ...plainRoots]),
    'A variable can have none of these names: not `customer`, not `now`.',
    '## What CEL brings',
    aboutResults,
    builtInTable(),
    '## Functions',
    aboutFunctions,
    ...Object.entries(functionGroups).flatMap(([group, functions]) => [`### ${group}`, functionTable(functions)]),
    '## Limits',
    table(['what', 'at most'], limitRows),
    aboutCost,
  ]
  return page('Expressions', about, body.join('\n\n'))
}

function builtInTable(): string {
  const rows = builtIns.map(([what, example]) => [what, code(example), result(example)])
  return table(['for', 'example', 'gives'], rows)
}

const plainRoots = [
  ['`now`', 'time', 'The moment of the turn.'],
  [
    '`error`',
    'object',
    '`code`, `message` and, of some actions, `data` of the last one of the run that failed; null before any.',
  ],
]

function rootRows(): readonly (readonly string[])[] {
  return Object.entries(ROOT_FIELDS).flatMap(([root, fields]) =>
    Object.entries(fields).map(([field, type]) => {
      const meaning = meanings[`${root}.${field}`]
      if (meaning === undefined) throw new Error(`say what ${root}.${field} is`)
      return [code(`${root}.${field}`), field === 'referral' ? 'object or null' : (typeNames[type] ?? type), meaning]
    }),
  )
}

function functionTable(functions: readonly CelFunction[]): string {
  const rows = functions.map(one => [code(usageOf(one)), one.about, examplesOf(one)])
  return table(['function', 'gives', 'examples'], rows)
}

function examplesOf({ examples }: CelFunction): string {
  return examples.map(example => `${code(example)} → ${result(example)}`).join('<br>')
}

const limitRows = [
  ['an expression', `${limits.EXPRESSION_LENGTH_MAX} characters`],
  ['`{{…}}` in a flow', String(limits.TEMPLATES_MAX)],
  ['one value, as JSON', `${limits.VALUE_JSON_LENGTH_MAX / 1024} KB`],
  ['all variables of a run, as JSON', `${limits.VARIABLES_JSON_LENGTH_MAX / 1024} KB`],
  ['a list written out', '200 items'],
  ['what `join()` and `duration()` take', `${limits.LITERAL_LENGTH_MAX} characters`],
]

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  bool: 'true or false',
  int: 'whole number',
  map: 'object',
  'list<string>': 'list of texts',
  dyn: 'text or null',
}

function result(example: string): string {
  return code(JSON.stringify(evaluate(example)))
}

function code(text: string): string {
  return `\`${text}\``
}
