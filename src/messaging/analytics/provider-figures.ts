import type { Sums } from './kpis.ts'

/** What became of the messages to one provider. */
export type ProviderFigures = {
  readonly provider: string
  readonly accepted: number
  readonly delivered: number
  readonly read: number
  readonly failed: number
  readonly unknown: number
  /** By the provider's code. */
  readonly failed_by_code: Readonly<Record<string, number>>
}

export const providerTypes = ['accepted', 'delivered', 'read', 'failed', 'unknown'] as const
/** Codes that are shown one by one; those that come least often are counted in `failed` only. */
const codesMax = 50

/** The figures of each provider that has any, by name. */
export function providerFigures(rows: readonly Sums[]): ProviderFigures[] {
  const byProvider = Map.groupBy(rows, row => wordsOf(row)[0] ?? '')
  return [...byProvider]
    .filter(([provider]) => provider !== '')
    .map(([provider, own]) => figuresOf(provider, own))
    .filter(one => providerTypes.some(type => one[type] > 0))
    .sort((a, b) => (a.provider < b.provider ? -1 : 1))
}

function figuresOf(provider: string, rows: readonly Sums[]): ProviderFigures {
  const of = (type: (typeof providerTypes)[number]) =>
    rows.reduce((sum, row) => sum + (row.log_type === type ? row.count : 0), 0)
  return {
    ...{ provider, accepted: of('accepted'), delivered: of('delivered'), read: of('read') },
    ...{ failed: of('failed'), unknown: of('unknown'), failed_by_code: byCode(rows) },
  }
}

function byCode(rows: readonly Sums[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const code = wordsOf(row).slice(1).join(' ')
    if (row.log_type === 'failed' && code !== '') counts.set(code, (counts.get(code) ?? 0) + row.count)
  }
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, codesMax))
}

function wordsOf({ key }: Sums): readonly string[] {
  return (key ?? '').split(' ')
}
