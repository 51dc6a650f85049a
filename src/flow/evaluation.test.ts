import { describe, expect, test } from 'bun:test'
import { costExceeded, currentManner, evaluating, type Scope, spend, unitsLeft } from './evaluation.ts'

const scope = (left: number, zone = 'UTC'): Scope => ({ left, lookup: () => ({ time_zone: zone, language: 'en' }) })

describe('an evaluation', () => {
  test('spends from its own scope, and nothing outside of it', () => {
    const one = scope(10)
    evaluating(one, () => spend(4))
    spend(1_000)
    expect(one.left).toBe(6)
    expect(unitsLeft()).toBe(Number.POSITIVE_INFINITY)
  })

  test('stops when nothing is left', () => {
    const one = scope(1)
    expect(() => evaluating(one, () => spend(2))).toThrow(costExceeded)
    expect(one.left).toBe(-1)
  })

  test('within another gives way to it again, even when it fails', () => {
    const [outer, inner] = [scope(10, 'Europe/Madrid'), scope(10, 'America/Lima')]
    evaluating(outer, () => {
      expect(() =>
        evaluating(inner, () => {
          expect(currentManner().zone).toBe('America/Lima')
          throw new Error('inside')
        }),
      ).toThrow('inside')
      spend(3)
      expect(currentManner().zone).toBe('Europe/Madrid')
    })
    expect([outer.left, inner.left]).toEqual([7, 10])
    expect(currentManner()).toEqual({ zone: 'UTC', language: 'es', currency: null })
  })
})
