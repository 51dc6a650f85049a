import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeWebhookSecret, signWebhook } from '../../src/lib/webhook-signature.ts'
import { optionalProgram } from '../support/optional.ts'

// The code of docs/guides/webhooks.md, run as it stands there on what we sign.

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/webhooks.md'), 'utf8')
const dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function codeIn(language: string): string {
  const code = new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``).exec(guide)?.[1]
  if (code === undefined) throw new Error(`the guide has no ${language}`)
  return code
}

type Asked = { readonly headers: Record<string, string>; readonly body: string; readonly secret: string }

const [secret, other] = [makeWebhookSecret(), makeWebhookSecret()]
const body = JSON.stringify({ type: 'a', data: { name: 'Té de menta 🍵' } })
const sign = (secrets: string[], atMs = Date.now()) => signWebhook(body, { id: '01a2', atMs, secrets })

/** What may come, with whether it is genuine. */
const cases: readonly (readonly [name: string, isGenuine: boolean, asked: Asked])[] = [
  ['ours', true, { headers: sign([secret]), body, secret }],
  ['ours, signed by an old secret too', true, { headers: sign([other, secret]), body, secret }],
  ['signed by another secret', false, { headers: sign([other]), body, secret }],
  ['another body', false, { headers: sign([secret]), body: `${body} `, secret }],
  ['another id', false, { headers: { ...sign([secret]), 'webhook-id': '01a3' }, body, secret }],
  [
    'another time',
    false,
    { headers: { ...sign([secret]), 'webhook-timestamp': String(Math.floor(Date.now() / 1000) + 9) }, body, secret },
  ],
  ['of ten minutes ago', false, { headers: sign([secret], Date.now() - 600_000), body, secret }],
  ['of a time to come', false, { headers: sign([secret], Date.now() + 600_000), body, secret }],
  ['without a signature', false, { headers: {}, body, secret }],
  [
    'with nonsense',
    false,
    { headers: { ...sign([secret]), 'webhook-signature': 'v1,', 'webhook-timestamp': 'now' }, body, secret },
  ],
]

function run(command: readonly string[]): unknown {
  const child = Bun.spawnSync([...command], { stdin: Buffer.from(JSON.stringify(cases.map(([, , asked]) => asked))) })
  if (child.exitCode !== 0) throw new Error(child.stderr.toString())
  return JSON.parse(child.stdout.toString())
}

const expected = cases.map(([name, isGenuine]) => [name, isGenuine])
const named = (answers: unknown) => cases.map(([name], index) => [name, Reflect.get(Object(answers), index)])

test('the code for Node tells what is ours from what is not', () => {
  const node = optionalProgram('node', 'the code for Node is not run')
  if (node === undefined) return
  const file = join(dir, 'verify.mjs')
  const ask = `import { readFileSync } from 'node:fs'
    const asked = JSON.parse(readFileSync(0, 'utf8'))
    console.log(JSON.stringify(asked.map(one => isGenuine(one.headers, Buffer.from(one.body), one.secret))))`
  writeFileSync(file, `${codeIn('js')}\n${ask}\n`)
  expect(named(run([node, file]))).toEqual(expected)
})

test('the code for Python does the same', () => {
  const python = optionalProgram('python3', 'the code for Python is not run')
  if (python === undefined) return
  const file = join(dir, 'verify.py')
  const ask = `import json, sys
asked = json.load(sys.stdin)
print(json.dumps([is_genuine(one["headers"], one["body"].encode(), one["secret"]) for one in asked]))`
  writeFileSync(file, `${codeIn('python')}\n\n${ask}\n`)
  expect(named(run([python, file]))).toEqual(expected)
})
