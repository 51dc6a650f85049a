import type { Bus, Topic } from '../bus.ts'

/** The bus of a single process: whoever runs several roles in one needs no Redis. */
export function makeMemoryBus(): Bus {
  const listeners = new Map<Topic, Set<(payload: string) => void>>()
  return {
    publish(topic, payload = '') {
      if ((listeners.get(topic)?.size ?? 0) === 0) return
      const text = typeof payload === 'string' ? payload : payload()
      // Later, as a real bus would: a publisher is never inside its listeners.
      queueMicrotask(() => {
        for (const listener of listeners.get(topic) ?? []) listener(text)
      })
    },
    subscribe(topic, listener, onReady) {
      const set = listeners.get(topic) ?? new Set()
      listeners.set(topic, set.add(listener))
      onReady?.()
      return () => {
        set.delete(listener)
        if (set.size === 0 && listeners.get(topic) === set) listeners.delete(topic)
      }
    },
    async close() {
      listeners.clear()
    },
  }
}
