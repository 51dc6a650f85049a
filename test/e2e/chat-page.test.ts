import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type Installation, startInstallation } from '../support/installation.ts'
import { optionalProgram } from '../support/optional.ts'

const program = optionalProgram('chromium', 'the chat page is not looked at in a browser')
const customer = '34600000042'

let shop: Installation
let browser: Browser
let page: Page

beforeAll(async () => {
  if (program === undefined) return
  shop = await startInstallation()
  browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] })
  page = await browser.newPage({ viewport: { width: 1200, height: 800 } })
})
afterAll(async () => {
  if (program === undefined) return
  await browser.close()
  await shop.stop()
})

test.skipIf(program === undefined)(
  'a person orders on the chat page: types, opens the list, taps, and reads the thanks',
  async () => {
    const faults: string[] = []
    page.on('pageerror', error => faults.push(error.message))
    await shop.say(customer, { type: 'text', text: 'hola', profile_name: 'Ana' })
    await shop.replies(customer, 2)
    await page.goto(`${shop.emulator.url}/#100000000000010/${customer}`)
    await page.getByText('¡Hola, Ana! Esto es Café Aurora').first().waitFor()
    await page.getByRole('button', { name: 'Ver la carta' }).click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Tostada/ })
      .click()
    await page.getByText('¿Cuántas unidades de Tostada? (de 1 a 20)').first().waitFor()
    await page.getByRole('textbox', { name: 'Message' }).fill('2')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Sí, confirmar' }).click()
    await page
      .getByText(/¡Gracias! Tu pedido n\.º 1 está en marcha: 6,00 EUR/)
      .first()
      .waitFor()
    if (process.env.SCREENSHOT_DIR) await page.screenshot({ path: `${process.env.SCREENSHOT_DIR}/chat.png` })
    expect(faults).toEqual([])
  },
  60_000,
)
