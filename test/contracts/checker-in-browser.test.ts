import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { checkFlow } from '../../src/flow/check.ts'
import { readyFlows } from '../../src/messaging/ready-flows/ready-flows.ts'
import { optionalProgram } from '../support/optional.ts'

// The checker runs at each keystroke where flows are drawn: as it is, in a browser.

const program = optionalProgram('chromium', 'the checker is not run in a browser')

test.skipIf(program === undefined)(
  'a browser finds in a flow what the server finds',
  async () => {
    const entry = join(import.meta.dirname, '../../src/flow/check.ts')
    const built = await Bun.build({ entrypoints: [entry], target: 'browser', format: 'esm', minify: true })
    expect(built.logs.filter(log => log.level === 'error')).toEqual([])
    const [output] = built.outputs
    const source = (await output?.text()) ?? ''
    expect(source).not.toMatch(/["'](node|bun):/)
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: request =>
        new URL(request.url).pathname === '/check.js'
          ? new Response(source, { headers: { 'content-type': 'text/javascript' } })
          : new Response('<!doctype html><title>check</title>', { headers: { 'content-type': 'text/html' } }),
    })
    const browser = await chromium.launch({ executablePath: program ?? '', args: ['--no-sandbox'] })
    try {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${server.port}/`)
      const [flow] = readyFlows('es')
      const broken = JSON.parse(JSON.stringify(flow?.document).replace('cart.count > 0', 'cart.count >'))
      const handlers = [...new Set(JSON.stringify(broken).match(/(?<="handler":")[^"]+/g))]
      const found = await page.evaluate(
        `(async () => {
          const { checkFlow } = await import('/check.js')
          return checkFlow(${JSON.stringify(broken)}, { handlers: new Map(${JSON.stringify(handlers)}.map(name => [name, null])) })
        })()`,
      )
      const expected = checkFlow(broken, { handlers: new Map(handlers.map(name => [name, null])) })
      expect(found).toEqual(JSON.parse(JSON.stringify(expected)))
      expect(expected).toMatchObject({ ok: false, findings: [{ path: 'steps.has_items.condition' }] })
    } finally {
      await browser.close()
      await server.stop(true)
    }
  },
  60_000,
)
