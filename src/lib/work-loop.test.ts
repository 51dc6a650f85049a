import { expect, test } from 'bun:test'
import { makeTestLog } from '../../test/support/log.ts'
import { startWorkLoop } from './work-loop.ts'

const log = makeTestLog()
const never = 3_600_000

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1)
}

test('it works at its start, when woken, and again while there is more', async () => {
  let calls = 0
  let left = 3
  const loop = startWorkLoop({
    name: 'test',
    pollMs: never,
    log,
    async work() {
      calls++
      return left-- > 0 ? 'more' : 'done'
    },
  })
  await until(() => calls === 4)
  await Bun.sleep(5)
  expect(calls).toBe(4)
  loop.wake()
  await until(() => calls === 5)
  await loop.stop()
})

test('of several moments at which there will be work, it is woken at the soonest', async () => {
  let calls = 0
  const loop = startWorkLoop({
    name: 'test',
    pollMs: never,
    log,
    async work() {
      calls++
      return 'done'
    },
  })
  await until(() => calls === 1)
  loop.wakeIn(never)
  loop.wakeIn(5)
  loop.wakeIn(never)
  await until(() => calls === 2)
  await loop.stop()
})

test('being woken during the work leads to one more round: nothing that was told is overlooked', async () => {
  let calls = 0
  const loop = startWorkLoop({
    name: 'test',
    pollMs: never,
    log,
    async work() {
      calls++
      await Bun.sleep(2)
      if (calls === 1) for (let i = 0; i < 10; i++) loop.wake()
      return 'done'
    },
  })
  await until(() => calls === 2)
  await Bun.sleep(10)
  expect(calls).toBe(2)
  await loop.stop()
})

test('stop waits for what is under way, and begins nothing more', async () => {
  let finished = 0
  const loop = startWorkLoop({
    name: 'test',
    pollMs: never,
    log,
    async work() {
      await Bun.sleep(10)
      finished++
      return 'more'
    },
  })
  await loop.stop()
  expect(finished).toBe(1)
})

test('nobody has to wake it: it looks by itself', async () => {
  let calls = 0
  const loop = startWorkLoop({
    name: 'test',
    pollMs: 2,
    log,
    async work() {
      calls++
      return 'done'
    },
  })
  await until(() => calls >= 3)
  await loop.stop()
})
