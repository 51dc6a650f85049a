// The API held against its own document by schemathesis (https://schemathesis.readthedocs.io), with every check there is,
// and the metrics of every role by promtool. Run by CI; by hand: node bin/bun.mjs test/api/run.ts
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startProcess } from '../support/process.ts'

const program = process.env.SCHEMATHESIS ?? 'schemathesis'
const examplesMin = 5
const seed = Number(process.env.SEED ?? 20_261_124)

const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-api-'))
chmodSync(dataDir, 0o755)
const roles = ['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS'] as const
const ports = Object.fromEntries(await Promise.all(roles.map(async role => [`${role}_PORT`, String(await freePort())])))
const url = `http://127.0.0.1:${ports.GATEWAY_PORT}`
const server = await startProcess(
  ['up'],
  {
    ...ports,
    DASHOFFICE_DATA_DIR: dataDir,
    RATE_LIMIT_API_PER_MINUTE: '10000000',
    RATE_LIMIT_AUTH_PER_5_MINUTES: '1000000',
    // What tests send goes nowhere.
    META_BASE_URL: 'http://127.0.0.1:9',
    LOG_LEVEL: 'error',
  },
  `${url}/health`,
)
let exitStatus = 1
try {
  const session = await post('/api/auth/register', {
    tenant_name: 'Schemathesis',
    name: 'Owner',
    email: 'owner@example.com',
    password: 'a password of the tests, 42',
  })
  exitStatus = (await schemathesis(session.access_token, await addOneOfEach(session))) + (await metrics())
  const output = server.output().trim()
  if (output.includes('"level":"error"')) {
    console.log(`\nFAILED: the program logged errors\n${output}`)
    exitStatus++
  }
} finally {
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
}
process.exit(exitStatus === 0 ? 0 : 1)

type Session = { readonly access_token: string; readonly tenant: { readonly id: string } }

/** One of each resource, for requests that need something to be there. */
async function addOneOfEach({ access_token }: Session): Promise<Record<string, string>> {
  const add = async (path: string, body: object) => (await post(path, body, access_token)).id
  const price = { price_minor: 100, currency: 'EUR', stock: 1_000_000 }
  const meta = { access_token: 'token', app_secret: 'secret', verify_token: 'verify' }
  const bots = await add('/api/bots', { name: 'Bot', provider: 'meta', config: { phone_number_id: '1', ...meta } })
  const template = { type: 'template', name: 'hello', language: 'en', parameters: [] }
  const sent = await post(`/api/bots/${bots}/messages`, { to: '+573001234500', content: template }, access_token)
  const hello = { type: 'message', content: { type: 'text', text: 'Hello' }, next: 'end' }
  return {
    ...{ bots, conversations: sent.conversation_id },
    products: await add('/api/products', { sku: 'sku', name: 'Product', ...price }),
    customers: await add('/api/customers', { name: 'Customer', phone: '+573001234567' }),
    sellers: await add('/api/sellers', { name: 'Seller' }),
    users: await add('/api/users', { name: 'Agent', email: 'agent@example.com', role: 'agent' }),
    'api-keys': await add('/api/api-keys', { name: 'Key', scopes: ['bots:read'] }),
    flows: await add('/api/flows', { name: 'F', start: 'a', triggers: [{ fallback: true }], steps: { a: hello } }),
  }
}

async function schemathesis(token: string, ids: Record<string, string>): Promise<number> {
  const config = join(dataDir, 'schemathesis.toml')
  writeFileSync(config, configuration(token))
  const child = Bun.spawn(
    [
      ...[program, '--config-file', config, 'run', `${url}/openapi.json`],
      ...['--checks', 'all', '--max-examples', String(examplesMin), '--seed', String(seed), '--continue-on-failure'],
      ...process.argv.slice(2),
    ],
    { stdout: 'inherit', stderr: 'inherit', cwd: dataDir, env: { ...process.env, ...hooks(ids) } },
  )
  return await child.exited
}

function hooks(ids: Record<string, string>): Record<string, string> {
  return { API_TEST_IDS: JSON.stringify(ids), PYTHONPATH: import.meta.dirname, SCHEMATHESIS_HOOKS: 'hooks' }
}

function configuration(token: string): string {
  return `
headers = { Authorization = "Bearer ${token}" }

[generation]
database = "none"

# What is closed, or not any more as it was read, is said before the rest is looked at.
[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428"]

# A plain request is no WebSocket, whatever its ticket.
[[operations]]
include-path = "/api/ws"
checks.positive_data_acceptance.expected-statuses = ["101", "401", "426"]

# A draft may be anything: what its faults are is told when it is published.
[[operations]]
include-path = "/api/flows/{id}/publish"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]
`
}

async function metrics(): Promise<number> {
  let failures = 0
  for (const role of roles) {
    const text = await (await fetch(`http://127.0.0.1:${ports[`${role}_PORT`]}/metrics`)).text()
    const child = Bun.spawn(['promtool', 'check', 'metrics'], {
      stdin: new Blob([text]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const said = `${await new Response(child.stdout).text()}${await new Response(child.stderr).text()}`.trim()
    const isFine = (await child.exited) === 0 && said === ''
    console.log(isFine ? `promtool finds nothing in the metrics of ${role}` : `FAILED: promtool, ${role}: ${said}`)
    if (!isFine) failures++
  }
  return failures
}

// biome-ignore lint/suspicious/noExplicitAny: what is read of the answer is used at once, or fails.
async function post(path: string, body: object, token?: string): Promise<any> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return await response.json()
}
