import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuids } from '../../src/lib/ids.ts'
import { type Installation, startInstallation, until } from '../support/installation.ts'
import { databaseUrl } from '../support/postgres.ts'
import { runProcess } from '../support/process.ts'
import { orderFlow } from '../support/seed.ts'

// `dashoffice flow replay`, as an operator runs it beside a running installation.

const [buyer, looker] = ['34600000001', '34600000002']

let shop: Installation
let url = ''
let dataDir: string
/** The conversation with an order, and the one that was only begun. */
let [ordered, begun] = ['', '']

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  shop = await startInstallation({
    async reach(connection) {
      url = databaseUrl(connection)
      return connection
    },
  })
  for (const [index, text] of ['hola', '1', '2', '1'].entries()) {
    await shop.say(buyer, text)
    await shop.replies(buyer, index + 2)
  }
  await shop.say(looker, 'hola')
  await shop.replies(looker, 2)
  await shop.settled()
  const rows = await shop.admin`select id from conversations order by id`
  ;[ordered, begun] = rows.map((row: { id: string }) => row.id)
}, 60_000)
afterAll(async () => {
  await shop.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

const replay = (...argumentList: readonly string[]) =>
  runProcess(['flow', 'replay', ...argumentList], { DATABASE_URL: url, DASHOFFICE_DATA_DIR: dataDir })

type Flow = { readonly steps: Record<string, Record<string, unknown>> }

/** A file with the shop's flow, changed. */
function draftFile(change: (steps: Flow['steps']) => void): string {
  const document = structuredClone(orderFlow) as Flow
  change(document.steps)
  const file = join(dataDir, `${crypto.randomUUID()}.json`)
  writeFileSync(file, JSON.stringify(document))
  return file
}

const reworded = (steps: Flow['steps']) => {
  steps.quantity = { ...steps.quantity, content: { type: 'text', text: 'How many?' } }
}
const undecided = (steps: Flow['steps']) => {
  steps.is_confirmed = { ...steps.is_confirmed, condition: "confirmed == 'never'" }
}

describe('a conversation is told turn by turn', () => {
  test('in words, with what was written, chosen, set and done, and that its events fold to its state', async () => {
    const { status, output } = await replay(ordered)
    expect(output).toMatch(/^Conversation .*34600000001.* with Bot of Shop/)
    expect(output).toMatch(
      / {2}1 {2}\d{4}-\d\d-\d\dT[\d:.]+Z {2}the customer writes "hola"\n {7}the flow "Pedido" 1 begins, by "hola"\n/,
    )
    expect(output).toContain('load: calls catalog.list')
    expect(output).toContain('quantity: quantity = 2')
    expect(output).toContain('is_confirmed: true, so on to order')
    expect(output).toMatch(/order: done, order = \{.*"number":/)
    expect(output).toContain('the flow ends')
    expect(output).toEndWith('The stored state is the same.\n')
    expect(status).toBe(0)
  })

  test('as its events', async () => {
    const { status, output } = await replay(ordered, '--events')
    expect(output).toMatch(/^ {3}1 {2}\S+Z {2}message\.received {2}\{/)
    expect(output).toEndWith('The stored state is the same.\n')
    expect(status).toBe(0)
  })

  test('as one JSON document', async () => {
    const { status, output } = await replay(ordered, '--json')
    const told = JSON.parse(output)
    expect(told).toMatchObject({ is_stored_the_same: true, conversation: { id: ordered } })
    expect(told.turns[0]).toMatchObject({ cause: { kind: 'message' }, content: { type: 'text', text: 'hola' } })
    expect(JSON.stringify(told.turns)).toContain('¿Cuántas unidades de')
    expect(status).toBe(0)
  })
})

describe('what is wrong ends it with 1', () => {
  test('a stored state that is not the fold of the events', async () => {
    const [{ state }] = await shop.admin`select state from conversations where id = ${begun}`
    const set = (given: object) =>
      shop.admin`update conversations set state = ${JSON.stringify(given)}::text::jsonb where id = ${begun}`
    await set({ ...state, status: 'agent' })
    const { status, output } = await replay(begun)
    await set(state)
    expect(output).toContain('The stored state differs:')
    expect(status).toBe(1)
    expect((await replay(begun)).status).toBe(0)
  })

  test('a conversation that is not there, a draft that is none or that the checker refuses', async () => {
    const missing = uuids.next()
    expect(await replay(missing)).toMatchObject({
      status: 1,
      output: `dashoffice: There is no conversation ${missing}\n`,
    })
    expect((await replay(ordered, '--against', join(dataDir, 'none.json'))).output).toContain('cannot be read as JSON')
    const faulty = draftFile(steps => {
      steps.quantity = { ...steps.quantity, next: 'nowhere' }
    })
    const refused = await replay(ordered, '--against', faulty)
    expect(refused).toMatchObject({ status: 1 })
    expect(refused.output).toContain('error  steps.quantity.next')
    expect((await replay(ordered, '--against', missing)).output).toBe(`dashoffice: There is no flow ${missing}\n`)
  })
})

test('an event that a newer program wrote is told as such', async () => {
  const set = (version: number) =>
    shop.admin`update conversation_events set version = ${version} where conversation_id = ${begun} and seq = 2`
  await set(9)
  const { output } = await replay(begun)
  await set(1)
  expect(output).toContain('event 2 is not known here: flow.started of version 9')
  expect(output).toContain('One event is not known to this program: a newer one wrote it.')
})

describe('against a draft', () => {
  test('in a file, one that says the same otherwise goes the same way in other words', async () => {
    const { status, output } = await replay(ordered, '--against', draftFile(reworded))
    expect(output).toContain('It goes the same way.\nIn other words:\n')
    expect(output).toMatch(/ {2}quantity: "¿Cuántas unidades de .*" → "How many\?"/)
    expect(output).toContain('It would end: bot, run over (end), at ')
    expect(status).toBe(0)
  })

  test('of a flow, one that decides otherwise is told from there on', async () => {
    await shop.admin`update flows set document = ${JSON.stringify(orderWith(undecided))}::text::jsonb`
    const { status, output } = await replay(ordered, '--against', shop.shop.flowId)
    expect(output).toContain('It goes otherwise from turn')
    expect(output).toContain(
      '  then: is_confirmed: true, so on to order\n  now:  is_confirmed: false, so on to is_change',
    )
    expect(output).toMatch(/It ended: .*order\.create done\n/)
    expect(output).toMatch(/It would end: (?!.*order\.create).*\n/)
    expect(status).toBe(0)
  })

  test('one that calls what was never called cannot be told to its end', async () => {
    const file = draftFile(steps => {
      steps.order = { ...steps.order, handler: 'order.status', input: {} }
    })
    const { output } = await replay(ordered, '--against', file)
    expect(output).toContain(
      'How it would end cannot be told: it calls order.status more often than it was called then.',
    )
  })

  test('all conversations that were in the flow are counted by how they would end', async () => {
    const { status, output } = await replay('--against', draftFile(undecided), '--flow', shop.shop.flowId)
    expect(output).toContain('of the last 2 conversations\n  1 end the same\n  1 end differently\n')
    expect(output).toContain(`    ${ordered}  `)
    expect(output).toContain('  0 cannot be told\n')
    expect(status).toBe(0)
    const one = await replay('--against', draftFile(undecided), '--flow', shop.shop.flowId, '--last', '1', '--json')
    expect(JSON.parse(one.output)).toMatchObject({ same: 1, different: 0, untold: 0 })
  })

  test('what runs is left as it is', async () => {
    await until(async () => (await shop.admin`select 1 from orders`).length === 1)
    expect((await replay(ordered)).status).toBe(0)
  })
})

function orderWith(change: (steps: Flow['steps']) => void): Flow {
  const document = structuredClone(orderFlow) as Flow
  change(document.steps)
  return document
}

test('wrong usage is status 2', async () => {
  const cases: [string[], string][] = [
    [[], 'Give a CONVERSATION_ID'],
    [['7'], 'CONVERSATION_ID takes a UUID'],
    [[ordered, '--json', '--events'], 'one of --events and --json'],
    [[ordered, '--flow', uuids.next()], '--flow goes with --against'],
    [['--against', 'draft.json'], '--flow FLOW_ID'],
    [['--against', 'draft.json', '--flow', '7'], '--flow takes the id of a flow'],
    [['--against', uuids.next(), '--last', '0'], 'from 1 to 1000'],
  ]
  for (const [argumentList, words] of cases) {
    const { status, output } = await replay(...argumentList)
    expect(output).toContain(words)
    expect(status).toBe(2)
  }
})
