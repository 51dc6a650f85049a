import type { Clock } from '../../lib/clock.ts'
import { Lru } from '../../lib/lru.ts'
import {
  type Admission,
  answerCharactersMax,
  answerKeptMs,
  answersMax,
  limitWindowMs,
  type RequestGate,
  type Taken,
} from '../request-gate.ts'

const windowsMax = 20_000
const resourcesMax = 200
/** Of all answers together: a single process is meant to stay small. */
const charactersMax = 4 * 1024 * 1024

type Kept = {
  readonly generation: string
  readonly endsMs: number
  readonly answers: Map<string, string>
  characters: number
}

/** The gate of a single process. */
export function makeMemoryGate(clock: Clock): RequestGate {
  const windows = new Lru<string, { count: number; endsMs: number }>(windowsMax)
  const kept = new Lru<string, Kept>(resourcesMax, gone => {
    characters -= gone.characters
  })
  let generations = 0
  let characters = 0

  function take(key: string, limit: number, windowMs: number): Taken {
    const nowMs = clock.now()
    let window = windows.get(key)
    if (window === undefined || window.endsMs <= nowMs) {
      window = { count: 0, endsMs: nowMs + windowMs }
      windows.set(key, window)
    }
    window.count++
    return {
      allowed: window.count <= limit,
      remaining: Math.max(0, limit - window.count),
      resetMs: window.endsMs - nowMs,
    }
  }

  function keptOf(key: string): Kept {
    const found = kept.get(key)
    if (found !== undefined && found.endsMs > clock.now()) return found
    const fresh = {
      generation: String(++generations),
      endsMs: clock.now() + answerKeptMs,
      answers: new Map(),
      characters: 0,
    }
    kept.set(key, fresh)
    return fresh
  }

  return {
    async admit({ tenantId, limit, answer }): Promise<Admission> {
      const taken = take(`rate_limit:{${tenantId}}`, limit, limitWindowMs)
      if (answer === null || !taken.allowed) return { ...taken, answer: null, miss: null }
      const { answers, generation } = keptOf(`${tenantId}:${answer.resource}`)
      return { ...taken, answer: answers.get(answer.field) ?? null, miss: { generation } }
    },
    async take(key, limit, windowMs) {
      return take(key, limit, windowMs)
    },
    async giveBack(key) {
      const window = windows.get(key)
      if (window !== undefined && window.count > 0) window.count--
    },
    keep({ tenantId, resource, field }, { generation }, answer) {
      const found = kept.get(`${tenantId}:${resource}`)
      if (found?.generation !== generation || found.answers.size >= answersMax) return
      if (answer.length > answerCharactersMax || characters + answer.length > charactersMax) return
      const added = answer.length - (found.answers.get(field)?.length ?? 0)
      found.answers.set(field, answer)
      found.characters += added
      characters += added
    },
    drop(tenantId, resources) {
      for (const resource of resources) kept.delete(`${tenantId}:${resource}`)
      return undefined
    },
    async close() {},
  }
}
