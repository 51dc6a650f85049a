import { afterAll, beforeAll, expect, test } from 'bun:test'
import { until } from '../installation.ts'
import { hasBaileys } from './has-baileys.ts'
import type { WhatsAppWeb } from './server.ts'
import type { TestDevice } from './test-device.ts'

// The server that stands for WhatsApp Web in tests, held against the real library.

const isMissing = !hasBaileys('WhatsApp Web is not tried')

let web: WhatsAppWeb
let openDevice: typeof import('./test-device.ts')['openDevice']

beforeAll(async () => {
  if (isMissing) return
  const { startWhatsAppWeb } = await import('./server.ts')
  web = startWhatsAppWeb()
  openDevice = (await import('./test-device.ts')).openDevice
})

afterAll(async () => {
  await web?.stop()
})

async function linked(number: string): Promise<TestDevice> {
  const device = openDevice(web.url)
  await until(() => device.qr() !== undefined)
  web.account(number).scan(device.qr() ?? '')
  await until(() => device.isOpen() && web.account(number).hasKeys())
  return device
}

test.skipIf(isMissing)('a device is linked by its QR code, writes, and is written to', async () => {
  const device = await linked('12025550101')
  const ada = web.customer('12025550143')
  await ada.write(web.account('12025550101'), { conversation: 'Hello' })
  await until(() => device.received().length === 1)
  expect(device.received()[0]?.message?.conversation).toBe('Hello')
  const sent = await device.socket().sendMessage('12025550143@s.whatsapp.net', { text: 'Good morning' })
  await until(() => ada.received.length === 1)
  expect(ada.received[0]?.message.extendedTextMessage?.text).toBe('Good morning')
  ada.receipt(web.account('12025550101'), sent?.key.id ?? '', 'read')
  await until(() => device.statuses().includes(4))
  expect(web.errors).toEqual([])
  await device.close()
})

test.skipIf(isMissing)('a device is linked by the code that is typed on the phone, and by no other', async () => {
  const account = web.account('12025550102')
  const device = openDevice(web.url)
  await until(() => device.qr() !== undefined)
  const code = await device.socket().requestPairingCode(account.number)
  await until(() => account.isAsked())
  account.type(code)
  await until(() => device.isOpen())
  await device.close()
  const other = openDevice(web.url)
  await until(() => other.qr() !== undefined)
  await other.socket().requestPairingCode(account.number)
  await until(() => account.isAsked())
  account.type('ABCDEFGH')
  await until(() => web.errors.length > 0)
  expect(other.isOpen()).toBe(false)
  await other.close()
})

test.skipIf(isMissing)('what is written to a device that is away is given to it when it comes back', async () => {
  const device = await linked('12025550103')
  web.account('12025550103').drop()
  await until(() => !web.account('12025550103').isOnline())
  const id = await web.customer('12025550144').write(web.account('12025550103'), { conversation: 'Are you there?' })
  await device.reopen()
  await until(() => device.received().some(message => message.key.id === id))
  await device.close()
})

test.skipIf(isMissing)('a message that cannot be read is asked for again, and read then', async () => {
  const device = await linked('12025550104')
  const customer = web.customer('12025550145')
  const id = await customer.write(web.account('12025550104'), { conversation: 'Twice' }, { isBroken: true })
  await until(() => device.received().some(({ key, message }) => key.id === id && message?.conversation === 'Twice'))
  await device.close()
})

test.skipIf(isMissing)('the phone removes a device', async () => {
  const device = await linked('12025550105')
  web.account('12025550105').logOut()
  await until(() => device.closedWith() === 401)
})
