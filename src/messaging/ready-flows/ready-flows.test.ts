import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import { actions } from '../../commerce/actions/actions.ts'
import { exampleProductsSchema, openExampleShop } from '../../commerce/actions/example-shop.ts'
import { type Business, unknownBusiness } from '../../flow/business.ts'
import { checkFlow } from '../../flow/check.ts'
import { compileFlow } from '../../flow/compile.ts'
import type { InboundContent, OutboundContent } from '../../flow/content.ts'
import { type SimulatedInput, startSimulation } from '../../flow/simulate.ts'
import { languages } from '../tenant-settings.ts'
import { type ReadyKind, readyFlows, readyKinds } from './ready-flows.ts'
import { readyTexts } from './texts.ts'

const handlers = new Map([...actions].map(([name, action]) => [name, action.input]))
const closedNow = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] }
const products = v.parse(
  exampleProductsSchema,
  Array.from({ length: 12 }, (_, index) => ({
    sku: `p${index}`,
    name: `Café ${String.fromCharCode(65 + index)} con un nombre muy largo`,
    price_minor: 250,
    currency: 'EUR',
    stock: 5,
  })),
)

/** Talks to a language's flows, beginning with one of them. */
function talk(
  language: (typeof languages)[number],
  main: ReadyKind,
  more: Partial<Business> = {},
  perform = openExampleShop(products),
  now = Date.UTC(2026, 10, 24, 12),
) {
  const flows = readyFlows(language).map(({ kind, document }) => {
    const checked = checkFlow(document, { handlers })
    if (!checked.ok) throw new Error(checked.findings[0]?.message)
    return { flow_id: kind, version: 1, flow: compileFlow(checked.document) }
  })
  const simulation = startSimulation({
    library: {
      byId: id => flows.find(flow => flow.flow_id === id)?.flow,
      published: name => flows.find(flow => flow.flow.name === name),
    },
    flows: flows.filter(flow => flow.flow_id === main),
    context: {
      now,
      customer: { id: 'c', name: 'Ana', phone: null, email: null, variables: {}, tags: [], opted_out: false },
      conversation: { id: 'v', bot_id: 'b' },
      window_expires_at: 0,
      business: { ...unknownBusiness, name: 'Aurora', language, ...more },
    },
    perform,
  })
  let last: OutboundContent | undefined
  const turn = async (input: SimulatedInput) => {
    const result = await simulation.turn(input)
    last = result.replies.at(-1) ?? last
    const failed = result.steps.filter(step => step.outcome === 'failed').map(step => step.detail)
    expect(failed.filter(detail => !detail?.startsWith('out_of_stock'))).toEqual([])
    return { ...result, texts: result.replies.map(wordsOf) }
  }
  return {
    say: (words: string) => turn({ type: 'text', text: words }),
    /** Taps what was offered last under this title. */
    tap: (title: string) => turn(tapped(last, title)),
    timeout: () => turn({ type: 'timeout' }),
    resume: () => turn({ type: 'resume' }),
  }
}

function offered(content: OutboundContent | undefined): readonly { readonly id: string; readonly title: string }[] {
  if (content?.type === 'buttons') return content.buttons
  return content?.type === 'list' ? content.sections.flatMap(section => section.rows) : []
}

function tapped(content: OutboundContent | undefined, title: string): InboundContent {
  const choice = offered(content).find(one => one.title.startsWith(title))
  if (choice === undefined) throw new Error(`${title} is not offered: ${JSON.stringify(content)}`)
  return { type: 'choice', ...choice }
}

const wordsOf = (content: OutboundContent) => ('text' in content ? content.text : content.type)

test('every language has them all, and each passes the checker without a word', () => {
  for (const language of languages) {
    expect(readyFlows(language).map(flow => flow.kind)).toEqual([...readyKinds])
    for (const { document } of readyFlows(language))
      expect([document.name, checkFlow(document, { handlers })]).toEqual([
        document.name,
        expect.objectContaining({ ok: true, warnings: [] }),
      ])
  }
})

test('buttons and rows fit, and no two of a content have the same title', () => {
  for (const language of languages) {
    const { catalog, order, welcome } = readyTexts[language]
    const buttons = [catalog.add, catalog.another, catalog.finish, order.confirm, order.more_items, order.cancel]
    const openers = [welcome.open_menu, catalog.open_list, order.open_list]
    for (const title of [...buttons, ...openers]) expect([title, title.length <= 20]).toEqual([title, true])
    const rows = [welcome.catalog, welcome.order, welcome.status, welcome.person]
    for (const title of [...rows, catalog.more, catalog.search, catalog.back, order.more])
      expect([title, title.length <= 24]).toEqual([title, true])
    expect(new Set(rows).size).toBe(rows.length)
  }
})

describe.each(languages)('in %s', language => {
  const t = readyTexts[language]
  const sum = language === 'en' ? '7.50' : '7,50'

  test('the menu leads to an order of several products, which has a number and a total', async () => {
    const { say, tap } = talk(language, 'welcome')
    expect((await say(t.welcome.keywords[0] ?? '')).texts[0]).toContain('Ana')
    await tap(t.welcome.order)
    await tap('Café A')
    await say('2')
    await tap(t.order.more_items)
    await tap(t.order.more)
    const second = await tap('Café L')
    expect(second.texts[0]).toContain('Café L')
    expect((await say('1')).texts[0]).toContain(sum)
    const thanks = await tap(t.order.confirm)
    expect(thanks.texts).toHaveLength(1)
    expect(thanks.texts[0]).toContain(sum)
    await say('menu')
    expect((await tap(t.welcome.status)).texts[0]).toContain(sum)
  })

  test('what is not there in that number is said, and the cart is kept; cancelled, it is empty', async () => {
    const { say, tap } = talk(language, 'order_creation')
    await say(t.order.keywords[0] ?? '')
    await tap('Café A')
    expect((await say('9')).texts[0]).toContain('Café A')
    await tap('Café B')
    await say('1')
    expect((await tap(t.order.cancel)).texts).toEqual([t.order.cancelled])
    expect((await say(t.order.keywords[0] ?? '')).texts[0]).toBe(t.order.choose)
  })

  test('the catalog is looked through in pages and by name, and what is found can be ordered', async () => {
    const { say, tap } = talk(language, 'product_catalog')
    await say(t.catalog.keywords[0] ?? '')
    await tap(t.catalog.more)
    await tap(t.catalog.search)
    expect((await say('nothing of the kind')).texts[0]).toContain('nothing of the kind')
    await tap(t.catalog.search)
    await say('cafe k')
    expect((await tap('Café K')).texts.join()).toContain('Café K con un nombre muy largo')
    await tap(t.catalog.add)
    await say('3')
    const cart = await tap(t.catalog.finish)
    expect(cart.texts[0]).toContain(sum)
    expect((await tap(t.order.confirm)).texts[0]).toContain(sum)
  })

  test('a person is asked for, waited for, and gives back; while the shop is closed nobody is promised', async () => {
    const open = talk(language, 'support')
    expect((await open.say(t.support.keywords[0] ?? '')).texts).toEqual([t.support.open])
    const waiting = await open.say('My order is late')
    expect(waiting.texts).toEqual([t.support.wait])
    expect(waiting.steps.at(-1)?.detail).toContain('My order is late')
    expect((await open.timeout()).texts).toEqual([t.support.busy])
    expect((await open.resume()).texts).toEqual([t.support.again])
    const closed = talk(language, 'support', { hours: { ...closedNow, fri: [['09:30', '14:00']] } })
    const [until] = (await closed.say(t.support.keywords[0] ?? '')).texts
    expect(until).toMatch({ es: /el viernes, 9:30/, en: /on Friday at 9:30/, pt: /na sexta-feira, 09:30/ }[language])
    expect((await closed.say('hello')).texts).toEqual([t.support.wait_closed])
  })

  test('of what was sold meanwhile the customer is told, and orders the rest', async () => {
    const shop = openExampleShop(products)
    const { say, tap } = talk(language, 'order_creation', {}, shop)
    await say(t.order.keywords[0] ?? '')
    await tap('Café A')
    await say('4')
    await tap(t.order.more_items)
    await tap('Café B')
    await say('1')
    await shop('order.create', { items: [{ product_id: products[0]?.id ?? '', quantity: 3 }] })
    const refused = await tap(t.order.confirm)
    expect(refused.texts[0]).toContain('Café A')
    expect(refused.texts[0]).toContain('2')
    expect(refused.texts[1]).not.toContain('Café A')
    expect((await tap(t.order.confirm)).texts[0]).toContain(language === 'en' ? '2.50' : '2,50')
  })

  test('who is not understood for too long is told that a person comes', async () => {
    const { say } = talk(language, 'welcome')
    await say('whatever')
    for (let n = 0; n < 3; n++) await say('???')
    const last = await say('???')
    expect(last.texts).toEqual([t.welcome.person_comes])
    expect(last.steps.at(-1)?.outcome).toBe('handed_over')
  })

  test('when the shop opens next is said as people say it', async () => {
    const week = { ...closedNow, mon: [['09:30', '14:00']] } as const
    const opens = async (now: number, hours: Business['hours'] = week) => {
      const [said] = (await talk(language, 'support', { hours }, undefined, now).say(t.support.keywords[0] ?? '')).texts
      return said ?? ''
    }
    const [, today = '', tomorrow = ''] = t.support.opens
    expect(await opens(Date.UTC(2026, 10, 23, 7))).toContain(today)
    expect(await opens(Date.UTC(2026, 10, 22, 12))).toContain(tomorrow)
    expect(await opens(Date.UTC(2026, 10, 24, 12))).toMatch(/lunes|Monday|segunda-feira/)
    const holidays = [{ date: '2026-11-30' }]
    const [later] = (
      await talk(language, 'support', { hours: week, holidays }, undefined, Date.UTC(2026, 10, 24, 12)).say(
        t.support.keywords[0] ?? '',
      )
    ).texts
    expect(later).toMatch(/7 de diciembre|December 7|7 de dezembro/)
    expect(await opens(Date.UTC(2026, 10, 24, 12), closedNow)).not.toContain('{{')
  })

  test('who says nothing more is let go', async () => {
    const { say, timeout } = talk(language, 'welcome')
    await say('whatever')
    expect((await timeout()).texts).toEqual([t.welcome.bye])
  })
})
