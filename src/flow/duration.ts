import { DURATION_MS_MAX } from './limits.ts'

const DURATION = /^([1-9][0-9]{0,6})([smhd])$/
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `10s`, `30m`, `2h` or `3d` in milliseconds; null for anything else and beyond 30 days. */
export function parseDurationMs(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? []
  const durationMs = Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  return durationMs <= DURATION_MS_MAX ? durationMs : null
}
