import { afterAll, beforeAll, expect, test } from 'bun:test'
import { at, openTestGateway, type TestGateway } from '../../../test/support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await openTestGateway()
})
afterAll(() => gateway.close())

async function register(email: string, more: { language?: string; headers?: Record<string, string> } = {}) {
  const { headers = {}, ...rest } = more
  const password = 'a long enough phrase 7'
  const body = { tenant_name: 'Aurora', name: 'Ana', email, password, ...rest }
  const made = await gateway.call('POST', '/api/auth/register', { body, headers })
  expect(made.status).toBe(201)
  const as = { headers: { authorization: `Bearer ${String(at(made, 'access_token'))}` } }
  const flows = await gateway.call('GET', '/api/flows?limit=10', as)
  const settings = await gateway.call('GET', '/api/tenant/settings', as)
  return { as, flows: flows.json as { data: { name: string; published_version: number }[] }, settings }
}

test('a new tenant begins with the four flows of its language, published', async () => {
  for (const [more, names] of [
    [{}, ['Bienvenida', 'Soporte', 'Catálogo de productos', 'Crear pedido']],
    [{ language: 'en' }, ['Welcome', 'Support', 'Product Catalog', 'Order Creation']],
    [
      { headers: { 'accept-language': 'fr-CH, pt-BR;q=0.8, en;q=0.5' } },
      ['Boas-vindas', 'Suporte', 'Catálogo de produtos', 'Criar pedido'],
    ],
  ] as const) {
    const { flows, settings } = await register(`${names[0]}@example.com`, more)
    expect(flows.data.map(flow => flow.name)).toEqual([...names])
    expect(flows.data.map(flow => flow.published_version)).toEqual([1, 1, 1, 1])
    expect(['es', 'en', 'pt']).toContain(String(at(settings, 'language')))
  }
})

test('the ready flows of every language can be read, to make others from', async () => {
  const { as } = await register('gallery@example.com')
  expect(at(await gateway.call('GET', '/api/flow-templates', as), 'data')).toHaveLength(12)
  const english = await gateway.call('GET', '/api/flow-templates?language=en', as)
  const document = at(english, 'data.0.document')
  expect((await gateway.call('POST', '/api/flows', { ...as, body: document as object })).status).toBe(201)
  expect((await gateway.call('GET', '/api/flow-templates?language=fr', as)).status).toBe(422)
})
