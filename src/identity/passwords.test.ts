import { expect, test } from 'bun:test'
import { AppError } from '../lib/errors.ts'
import { hashesAtOnceMax, hashesWaitingMax, hashPassword, isPasswordOf } from './passwords.ts'

test('a password fits its own hash, however its letters are put together, and no other', async () => {
  const hash = await hashPassword('contrase\u00f1a larga')
  expect(await isPasswordOf('contrasen\u0303a larga', hash)).toBe(true)
  expect(await isPasswordOf('contrasena larga', hash)).toBe(false)
})

test('nothing fits where there is no hash', async () => {
  expect(await isPasswordOf('', null)).toBe(false)
  expect(await isPasswordOf('anything', null)).toBe(false)
})

test('while passwords are hashed, everything else goes on', async () => {
  let turns = 0
  let isDone = false
  const hashing = hashPassword('a long password').then(() => {
    isDone = true
  })
  while (!isDone) {
    await new Promise(resolve => setImmediate(resolve))
    turns++
  }
  await hashing
  // On the event loop, the first turn would come after the hash.
  expect(turns).toBeGreaterThan(20)
})

test('what is more than may wait is refused at once, and what waits is done', async () => {
  const tries = hashesAtOnceMax + hashesWaitingMax + 10
  // Of the least cost, so that sixty of them take no long time.
  const hash = await Bun.password.hash('a long password', { algorithm: 'bcrypt', cost: 4 })
  const results = await Promise.allSettled(Array.from({ length: tries }, () => isPasswordOf('a long password', hash)))
  const refusals = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  expect(refusals).toHaveLength(10)
  for (const refusal of refusals) expect(refusal instanceof AppError && refusal.code).toBe('overloaded')
  expect(results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))).toEqual(
    Array(tries - 10).fill(true),
  )
})
