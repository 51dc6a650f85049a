import type { HourFigures } from './log-store.ts'

/** Some of the entries that one `HourFigures` counts, as a store groups them: by their bucket. */
export type FiguresPart = Omit<HourFigures, 'buckets'> & { readonly bucket: number | null }

type Folding = { -readonly [K in keyof HourFigures]: HourFigures[K] } & { readonly buckets: number[] }

/** Puts the parts of the same tenant, bot, type and key together. */
export function foldFigures(parts: readonly FiguresPart[]): HourFigures[] {
  const folded = new Map<string, Folding>()
  for (const part of parts) {
    const { tenant_id, bot_id, log_type, key, bucket, count, sum } = part
    const name = JSON.stringify([tenant_id, bot_id, log_type, key])
    const figures = folded.get(name) ?? { tenant_id, bot_id, log_type, key, count: 0, sum: 0, buckets: [] }
    folded.set(name, figures)
    figures.count += count
    figures.sum += sum
    if (bucket !== null) addToBucket(figures.buckets, bucket, count)
  }
  return [...folded.values()]
}

function addToBucket(buckets: number[], bucket: number, count: number): void {
  while (buckets.length <= bucket) buckets.push(0)
  buckets[bucket] = (buckets[bucket] ?? 0) + count
}
