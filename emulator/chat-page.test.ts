import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { optionalProgram } from '../test/support/optional.ts'
import { business, customer, number, setAnyStage } from './testing/any-stage.ts'
import { say, until } from './testing/stage.ts'

const program = optionalProgram('chromium', 'the phones of the other dialects are not looked at in a browser')
const key = { apikey: 'server-key' }
/** A square of one colour. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
)

let browser: Browser
let page: Page
const errors: string[] = []

beforeAll(async () => {
  if (program === undefined) return
  browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] })
  page = await browser.newPage({ viewport: { width: 1_000, height: 760 } })
  page.on('pageerror', error => errors.push(error.message))
  page.on('console', message => void (message.type() === 'error' && errors.push(message.text())))
})
afterAll(async () => {
  await browser?.close()
})

const setStage = () => setAnyStage(() => ({ dialect: 'evolution', api_key: 'server-key', instance: 'shop' }))

test.skipIf(program === undefined)(
  'the phone scans the QR of its bot, answers numbered text with a tap, sees pictures, sends a file, and logs out',
  async () => {
    await using stage = await setStage()
    const { url } = stage.emulator
    await page.goto(`${url}/#${number}`)
    await page.getByText('Nothing to scan').waitFor()
    const webhook = { enabled: true, url: stage.webhookUrl, events: [] }
    const made = { instanceName: 'shop', integration: 'WHATSAPP-BAILEYS', qrcode: true, number: business, webhook }
    const { qrcode } = (await stage.call('POST', '/evolution/instance/create', made, key)).body
    await page.getByAltText('QR code of the instance').waitFor()
    await page.getByText(qrcode.pairingCode).waitFor()
    await page.getByRole('button', { name: 'Scan with this phone' }).click()
    await page.getByText('This phone is linked').waitFor()

    await stage.write({ ...say('hola'), profile_name: 'Ana' })
    await page.goto(`${url}/#${number}/${customer}`)
    const send = (kind: string, body: object) =>
      stage.call('POST', `/evolution/message/${kind}/shop`, { number: customer, ...body }, key)
    await send('sendText', { text: 'What would you like?\n1. Coffee\n2. Toast' })
    await send('sendMedia', { mediatype: 'image', media: png.toString('base64'), caption: 'Our menu' })
    await page.getByAltText('Our menu').waitFor()
    const isPicture = await page
      .getByAltText('Our menu')
      .evaluate(node => 'naturalWidth' in node && node.naturalWidth === 1)
    expect(isPicture).toBe(true)
    await page.getByRole('button', { name: '2. Toast' }).click()
    await page.setInputFiles('#file', { name: 'box.png', mimeType: 'image/png', buffer: png })
    await until(() => stage.arrived.filter(({ json }) => json.event === 'messages.upsert').length === 3)
    const [, answer, picture] = stage.arrived.flatMap(({ json }) =>
      json.event === 'messages.upsert' ? [json.data] : [],
    )
    expect([answer.message.conversation, picture.messageType]).toEqual(['2', 'imageMessage'])

    await stage.control('POST', `/numbers/${number}/drop`, {})
    await page.getByRole('link', { name: 'Show the phone' }).click()
    await page.getByRole('button', { name: 'The connection comes back' }).click()
    await page.getByRole('button', { name: 'Log out on the phone' }).click()
    await page.getByText('The instance is not linked').waitFor()
    expect(errors).toEqual([])
  },
  60_000,
)

test.skipIf(program === undefined)(
  'every number says whose dialect it speaks',
  async () => {
    await using stage = await setStage()
    const more = { dialect: 'legacy', display_phone_number: '12025550101', name: 'Old shop', api_key: 'k' }
    await stage.control('PUT', '/numbers/old', more)
    await page.goto(`${stage.emulator.url}/#old`)
    await page.getByRole('heading', { name: 'Old shop · On-premises API' }).waitFor()
    const options = await page.locator('#number option').allTextContents()
    expect(options).toEqual(['Test Shop · Evolution · +12025550100', 'Old shop · On-premises API · +12025550101'])
  },
  30_000,
)
