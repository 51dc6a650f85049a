import type { Bus, Topic } from '../bus.ts'

/** The bus of a single process: whoever runs several roles in one needs no Redis. */
export function makeMemoryBus(): Bus {
  const listeners = new Map<Topic, Set<(payload: string) => void>>()
  return {
    publish(topic, payload = '') {
      // Later, as a real bus would: a publisher is never inside its listeners.
      queueMicrotask(() => {
        for (const listener of listeners.get(topic) ?? []) listener(payload)
      })
    },
    subscribe(topic, listener) {
      const set = listeners.get(topic) ?? new Set()
      listeners.set(topic, set.add(listener))
      return () => void set.delete(listener)
    },
    async close() {
      listeners.clear()
    },
  }
}
