import { expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../support/installation.ts'
import { runProcess, startProcess } from '../support/process.ts'

test('npm run demo plays a conversation to its order, stops cleanly, and finds everything again, even after a kill', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  chmodSync(dataDir, 0o755)
  const start = async () => {
    const demo = await startProcess(['demo'], { DASHOFFICE_DATA_DIR: dataDir })
    await until(() => demo.output().includes('Ctrl-C stops everything'), 60_000)
    return demo
  }
  try {
    const first = await start()
    const transcript = first.output()
    for (const line of [
      'Ana  hola',
      '¡Hola, Ana! 👋 Soy el asistente de Café Aurora.',
      '[Hacer un pedido]',
      '[Café con leche]  2,20 EUR',
      'Ana  muchos',
      'Escribe un número del 1 al 99, por favor.',
      '2 × Café con leche: 4,40 EUR',
      'Total: 9,20 EUR',
      '¡Gracias! Tu pedido n.º 1 está en marcha: 9,20 EUR.',
      'Order in the database: no. 1, pending: 2 × Café con leche, 1 × Tarta de queso, 9.20 EUR',
    ])
      expect(transcript).toContain(line)
    expect(statSync(join(dataDir, 'demo.json')).mode & 0o777).toBe(0o600)
    expect(await first.stop()).toBe(0)
    expect(first.output()).toContain('Stopped. Everything is kept')

    const second = await start()
    expect(second.output()).toContain('Found again: 1 conversation')
    expect(second.output()).toContain('no. 1, pending: 2 × Café con leche, 1 × Tarta de queso, 9.20 EUR')
    expect(second.output()).not.toContain('Ana  hola')
    await second.kill()

    const third = await start()
    expect(third.output()).toContain('no. 1, pending: 2 × Café con leche, 1 × Tarta de queso, 9.20 EUR')

    // The chat page's conversation goes on: the emulator is the customer's phone.
    const emulator = /(http:\S+)\/#(\d+)\/(\d+)/.exec(third.output())
    const [, url, number, customer] = emulator ?? []
    const [, gateway] = /(http:\S+)\/docs/.exec(third.output()) ?? []
    const { email, password } = JSON.parse(readFileSync(join(dataDir, 'demo.json'), 'utf8'))
    await fetch(`${url}/emulator/customers/${customer}/messages?number=${number}&wait=delivered`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'text', text: 'hola' }),
    })
    await until(async () => {
      const chat = await (await fetch(`${url}/emulator/chats/${number}/${customer}/messages?after=0`)).json()
      return chat.data.filter((message: { direction: string }) => message.direction === 'outbound').length >= 10
    })
    // While it runs: every conversation's events fold to its state.
    const { access_token } = await json(`${gateway}/api/auth/login`, { email, password })
    const headers = { authorization: `Bearer ${access_token}` }
    const list = await fetch(`${gateway}/api/conversations`, { headers })
    const [conversation] = (await list.json()).data
    const replay = await runProcess(['flow', 'replay', conversation.id], { DASHOFFICE_DATA_DIR: dataDir })
    expect(replay.output).toContain('the flow "Bienvenida" 1 begins, by "hola"')
    expect(replay.output).toContain('The stored state is the same.')
    expect(replay.status).toBe(0)
    // The figures know of the order, and of what was just written.
    await until(async () => {
      const figures = await (await fetch(`${gateway}/api/analytics/metrics?window=24h`, { headers })).json()
      return figures.conversions === 1 && figures.messages.inbound >= 8
    }, 30_000)
    expect(await third.stop()).toBe(0)
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}, 120_000)

async function json(url: string, body: object): Promise<{ access_token: string }> {
  const headers = { 'content-type': 'application/json' }
  return await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}
