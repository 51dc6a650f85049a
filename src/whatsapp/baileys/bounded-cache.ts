import { Lru } from '../../lib/lru.ts'

type Entry = { readonly value: unknown; readonly expiresAt: number }

/** What the library caches in; with a bound, which its own caches lack. `expiresMs` counts from the last `set`. */
export type BoundedCache = {
  get<T>(key: string): T | undefined
  set<T>(key: string, value: T): void
  del(key: string): void
  flushAll(): void
}

export function makeBoundedCache(max: number, expiresMs: number, now = () => performance.now()): BoundedCache {
  let entries = new Lru<string, Entry>(max)
  return {
    get<T>(key: string): T | undefined {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.expiresAt <= now()) entries.delete(key)
      // Whoever asks under a key has set what is under it: the library names the type in both.
      return entry.expiresAt <= now() ? undefined : (entry.value as T)
    },
    set: (key, value) => entries.set(key, { value, expiresAt: now() + expiresMs }),
    del: key => entries.delete(key),
    flushAll() {
      entries = new Lru(max)
    },
  }
}
