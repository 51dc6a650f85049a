import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'

export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The bound that must hold, as the text of a comparison: "< 100". */
  readonly must?: string
  readonly aim?: string
}

const figures: Figure[] = []
const report = join(import.meta.dirname, '../../docs/reference/bench.json')

/** Takes a figure to two decimals, and prints it with its bounds. */
export function record({ value, ...rest }: Figure): void {
  const figure = { ...rest, value: Math.round(value * 100) / 100 }
  figures.push(figure)
  const { name, unit, must, aim } = figure
  const bounds = [must && `must ${must}`, aim && `aim ${aim}`].filter(Boolean).join(', ')
  const verdict = holds(figure) ? '' : '  MISSED'
  console.log(`${name.padEnd(68)} ${String(figure.value).padStart(9)} ${unit.padEnd(3)} ${bounds}${verdict}`)
}

/** Whether every figure so far is within the bound that must hold. */
export function allHold(): boolean {
  return figures.every(holds)
}

function holds({ value, must }: Figure): boolean {
  const [sign, bound] = must?.split(' ') ?? ['<', 'Infinity']
  const limit = Number(bound)
  return sign === '<' ? value < limit : sign === '<=' ? value <= limit : value >= limit
}

/** Writes docs/reference/bench.json, with the machine. */
export function writeReport(): void {
  const [cpu] = cpus()
  const machine = {
    cpu: cpu?.model ?? '',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1e9),
    bun: Bun.version,
  }
  mkdirSync(join(report, '..'), { recursive: true })
  writeFileSync(report, `${JSON.stringify({ measured_at: new Date().toISOString(), machine, figures }, null, 2)}\n`)
  console.log(`\nwritten to ${report}`)
}
