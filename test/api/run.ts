// The API held against its own document by schemathesis (https://schemathesis.readthedocs.io), with every check there is,
// and the metrics of every role by promtool. Run by CI; by hand: node bin/bun.mjs test/api/run.ts
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embeddedConnection } from '../bench/embedded.ts'
import { freePort, startProcess } from '../support/process.ts'
import { type Facts, register, seed } from './seed.ts'

const program = process.env.SCHEMATHESIS ?? 'schemathesis'
const fixedSeed = Number(process.env.SEED ?? 20_261_124)

/** It takes a minute or two. */
const runMsMax = 15 * 60_000

const dataDir = mkdtempSync(join(tmpdir(), 'dashoffice-api-'))
chmodSync(dataDir, 0o755)
const roles = ['GATEWAY', 'ADAPTER', 'ORCHESTRATOR', 'ANALYTICS'] as const
const ports = Object.fromEntries(await Promise.all(roles.map(async role => [`${role}_PORT`, String(await freePort())])))
const urlOf = (role: (typeof roles)[number]) => `http://127.0.0.1:${ports[`${role}_PORT`]}`
const url = urlOf('GATEWAY')
const server = await startProcess(
  ['up'],
  {
    ...ports,
    DASHOFFICE_DATA_DIR: dataDir,
    RATE_LIMIT_API_PER_MINUTE: '10000000',
    RATE_LIMIT_AUTH_PER_5_MINUTES: '1000000',
    // What tests send goes nowhere.
    META_BASE_URL: 'http://127.0.0.1:9',
    OFFICIAL_BASE_URL: 'http://127.0.0.1:9',
    TWILIO_BASE_URL: 'http://127.0.0.1:9',
    BAILEYS_BRIDGE_URL: 'http://127.0.0.1:9',
    LOG_LEVEL: 'error',
  },
  `${url}/health`,
)
let exitStatus = 1
try {
  const password = 'a password of the tests, 42'
  const owner = { email: 'owner@example.com', password }
  const facts = await seed({ url, adapterUrl: urlOf('ADAPTER'), database: embeddedConnection(dataDir) }, owner)
  const stranger = await register(url, { email: 'stranger@example.com', password })
  exitStatus = (await schemathesis(facts, stranger.token)) + (await metrics())
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

/** `strangerToken` is another tenant's, who is to see nothing of the first one's. */
async function schemathesis(facts: Facts, strangerToken: string): Promise<number> {
  writeFileSync(join(dataDir, 'callers.json'), callers({ owner: facts.token, stranger: strangerToken }))
  const hooks = {
    API_TEST_FACTS: JSON.stringify(facts),
    PYTHONPATH: import.meta.dirname,
    SCHEMATHESIS_HOOKS: 'hooks',
  }
  const child = Bun.spawn(
    [
      ...[program, '--config-file', join(import.meta.dirname, 'schemathesis.toml'), 'run', `${url}/openapi.json`],
      ...['--checks', 'all', '--seed', String(fixedSeed), '--continue-on-failure', ...process.argv.slice(2)],
    ],
    { stdout: 'inherit', stderr: 'inherit', cwd: dataDir, env: { ...process.env, ...hooks }, timeout: runMsMax },
  )
  return await child.exited
}

/** In the format of Web Fuzzing Commons. */
function callers(tokens: Readonly<Record<string, string>>): string {
  const auth = Object.entries(tokens).map(([name, token]) => ({
    name,
    fixedHeaders: [{ name: 'Authorization', value: `Bearer ${token}` }],
  }))
  return JSON.stringify({ auth })
}

async function metrics(): Promise<number> {
  let failures = 0
  for (const role of roles) {
    const text = await (await fetch(`${urlOf(role)}/metrics`)).text()
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
