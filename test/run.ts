// Runs every test on one embedded PostgreSQL, and ends with one line: N passed, N failed, N skipped.
// Arguments go to the runner: `npm test -- src/flow` runs one room.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentFor, startTestPostgres } from './support/postgres.ts'

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
    ...process.argv.slice(2),
  ],
  { env: { ...process.env, ...environmentFor(postgres.connection) }, stdio: ['ignore', 'inherit', 'inherit'] },
)
const exitStatus = await runner.exited
await postgres.stop()
const counts = readCounts()
rmSync(reportDir, { recursive: true, force: true })
const failed = counts.failed + (exitStatus !== 0 && counts.failed === 0 ? 1 : 0)
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`)
process.exit(failed === 0 ? 0 : 1)

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
