import { expect, test } from 'bun:test'
import { until } from '../../../test/support/installation.ts'
import { watchMemory } from './watch-memory.ts'

/** What is seen at each look: after the first, garbage is collected, and looked again. */
function watch(looks: readonly number[]) {
  const told: number[] = []
  let seen = 0
  const stop = watchMemory({
    sessions: () => 2,
    everyMs: 1,
    onHigh: residentBytes => told.push(residentBytes),
    resident: () => looks[seen++] ?? 0,
  })
  return { told, seen: () => seen, stop }
}

const [low, high] = [300e6, 600e6]

test('a process that has outgrown its sessions is told of, once', async () => {
  const { told, seen, stop } = watch([high, high, high, high, high, high, high])
  await until(() => told.length > 0)
  await Bun.sleep(20)
  expect([told, seen()]).toEqual([[high], 7])
  stop()
})

test('a peak that passes, and what garbage was, is not', async () => {
  const { told, seen, stop } = watch([high, high, high, high, low, low, high, low, high, high, high, high, low, low])
  await until(() => seen() >= 16)
  expect(told).toEqual([])
  stop()
})
