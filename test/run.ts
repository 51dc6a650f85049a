// Runs every test on one embedded PostgreSQL, and ends with one line: N passed, N failed, N skipped.
// Arguments go to the runner: `npm test -- src/flow` runs one room.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentFor, startTestPostgres } from './support/postgres.ts'
import { findSecret } from './support/secrets.ts'

const reportDir = mkdtempSync(join(tmpdir(), 'dashoffice-report-'))
const report = join(reportDir, 'junit.xml')
const postgres = await startTestPostgres()
const runner = Bun.spawn(
  [
    process.execPath,
    'test',
    '--reporter=junit',
    `--reporter-outfile=${report}`,
    '--timeout=60000',
    // Most tests wait more than they work.
    '--parallel=3',
    // The slowest files first, so that none is left over at the end. Made by --update-timings; those below 5 s are left out.
    `--timings=${join(import.meta.dirname, 'timings.json')}`,
    ...process.argv.slice(2),
  ],
  {
    env: { ...process.env, TEST_LOG_LEVEL: 'trace', ...environmentFor(postgres.connection) },
    stdio: ['ignore', 'pipe', 'pipe'],
  },
)
const told = (await Promise.all([tell(runner.stdout, process.stdout), tell(runner.stderr, process.stderr)])).flat()
const exitStatus = await runner.exited
await postgres.stop()
const counts = readCounts()
rmSync(reportDir, { recursive: true, force: true })
const failed = counts.failed + (exitStatus !== 0 && counts.failed === 0 ? 1 : 0) + told.length
for (const line of told) console.log(`FAILED: a secret was logged: ${line}`)
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)

/** Passes the output on, but for what is logged below errors. Returns the lines that hold a secret. */
async function tell(stream: ReadableStream<Uint8Array>, to: NodeJS.WritableStream): Promise<string[]> {
  const found: string[] = []
  const decoder = new TextDecoder()
  let rest = ''
  const tellLine = (line: string) => {
    // What a test is called, and what it expected, is no log.
    if (/^\{"level":/.test(line) && findSecret(line) !== undefined) found.push(line.slice(0, 500))
    if (!/^\{"level":"(?:trace|debug|info|warn)"/.test(line)) to.write(line)
  }
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/(?<=\n)/)
    rest = lines.at(-1)?.endsWith('\n') === false ? (lines.pop() ?? '') : ''
    for (const line of lines) tellLine(line)
  }
  if (rest !== '') tellLine(rest)
  return found
}

/** The totals stand in the report's first element. A runner that died wrote none: that is a failure, above. */
function readCounts(): { passed: number; failed: number; skipped: number } {
  try {
    const head = /<testsuites[^>]*>/.exec(readFileSync(report, 'utf8'))?.[0] ?? ''
    const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
    const [failed, skipped] = [count('failures') + count('errors'), count('skipped')]
    return { passed: count('tests') - failed - skipped, failed, skipped }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 }
  }
}
