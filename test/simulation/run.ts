// Plays simulated worlds, and says what was wrong in them:
//
//   node bin/bun.mjs test/simulation/run.ts --seeds 1-1000 --workers 2
//   node bin/bun.mjs test/simulation/run.ts --seed 7 --trace          all that happened in one of them
//   node bin/bun.mjs test/simulation/run.ts --seed 7 --defect NAME    with a fault of the program's, made on purpose
//   node bin/bun.mjs test/simulation/run.ts --seeds 1-1000 --defect each    until each of them is found
//
// --json: a line for each world, for a program to read.
import { parseArgs } from 'node:util'
import { testServer } from '../support/postgres.ts'
import { openWorldDatabase } from './database/world-database.ts'
import { defects } from './defects.ts'
import { runSeed, type SeedResult, takeOver } from './run-seed.ts'

const { values: given } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    workers: { type: 'string', default: '1' },
    defect: { type: 'string' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

/** Of one world: the first say most. */
const wrongsShown = 5

type Shown = Pick<SeedResult, 'seed' | 'digest' | 'wrongs'> & { readonly defect?: string }

const begunAt = performance.now()
const seeds = (given.seed ?? given.seeds ?? '1-100').split(',').flatMap(rangeOf)
const workers = Math.min(Number(given.workers), seeds.length)
const results = workers > 1 ? await inWorkers() : await here()
if (!given.json) tell(results)
process.exit(results.some(({ wrongs }) => wrongs.length > 0) ? 1 : 0)

/** `7` or `1-1000`. */
function rangeOf(text: string): number[] {
  const [first = Number.NaN, last = first] = text.split('-').map(Number)
  if (!(first <= last)) throw new Error(`"${text}" is no seed and no range of seeds, like 7 or 1-1000`)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

async function here(): Promise<readonly Shown[]> {
  const database = await openWorldDatabase(await testServer())
  takeOver()
  const played: Shown[] = []
  for (const defect of defectsGiven()) {
    for (const seed of seeds) {
      const result = await runSeed(database, seed, {
        defect: defect === undefined ? undefined : defects[defect],
        keepsTrace: given.trace,
      })
      const shown = { seed, digest: result.digest, wrongs: result.wrongs, ...(defect !== undefined && { defect }) }
      played.push(shown)
      if (given.trace) console.log(result.trace?.join('\n'))
      if (given.json) console.log(JSON.stringify(shown))
      if (given.defect === 'each' && result.wrongs.length > 0) break
    }
  }
  await database.close()
  return played
}

function defectsGiven(): readonly (string | undefined)[] {
  const names = Object.keys(defects)
  if (given.defect === 'each') return names
  if (given.defect === undefined || names.includes(given.defect)) return [given.defect]
  throw new Error(`There is no defect "${given.defect}", but ${names.join(', ')}`)
}

/** Each a part of the seeds, on a database of its own. */
async function inWorkers(): Promise<readonly Shown[]> {
  await testServer()
  const size = Math.ceil(seeds.length / workers)
  const parts = Array.from({ length: workers }, (_, index) => seeds.slice(index * size, (index + 1) * size))
  const outputs = parts.map(async part => {
    const options = ['--json', '--seeds', part.join(','), ...(given.defect ? ['--defect', given.defect] : [])]
    const child = Bun.spawn([process.execPath, import.meta.path, ...options], { stdout: 'pipe', stderr: 'inherit' })
    const text = await new Response(child.stdout).text()
    const shown = text.split('\n').flatMap((line): Shown[] => (line.startsWith('{') ? [JSON.parse(line)] : []))
    if (shown.length < part.length) throw new Error(`A worker has ended after ${shown.length} of ${part.length} seeds`)
    return shown
  })
  return (await Promise.all(outputs)).flat()
}

function tell(shown: readonly Shown[]): void {
  const wrong = shown.filter(({ wrongs }) => wrongs.length > 0)
  for (const { seed, wrongs, defect } of wrong) {
    const again = `--seed ${seed}${defect === undefined ? '' : ` --defect ${defect}`} --trace`
    console.log(`seed ${seed}: node bin/bun.mjs test/simulation/run.ts ${again}`)
    for (const one of wrongs.slice(0, wrongsShown)) console.log(`  ${one}`)
  }
  const [only] = shown
  if (shown.length === 1 && only !== undefined) console.log(`seed ${only.seed}: ${only.digest}`)
  const tookSeconds = ((performance.now() - begunAt) / 1_000).toFixed(1)
  console.log(`${shown.length} worlds in ${tookSeconds} s, ${wrong.length} of them with something wrong`)
}
