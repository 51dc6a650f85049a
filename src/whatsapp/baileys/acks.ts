/** Sends that wait for WhatsApp to take them. */
export type Acks = {
  /** Null: taken; a code: refused; 'lost': nothing was heard in time, or the socket closed. */
  wait(id: string, ms: number): Promise<string | null | 'lost'>
  /** Returns whether somebody waited. */
  settle(id: string, error: string | null): boolean
  /** The socket has closed. */
  loseAll(): void
}

export function makeAcks(): Acks {
  const waiting = new Map<string, (outcome: string | null | 'lost') => void>()
  return {
    wait(id, ms) {
      const { promise, resolve } = Promise.withResolvers<string | null | 'lost'>()
      const timer = setTimeout(resolve, ms, 'lost')
      waiting.set(id, resolve)
      return promise.finally(() => {
        clearTimeout(timer)
        waiting.delete(id)
      })
    },
    settle(id, error) {
      const resolve = waiting.get(id)
      resolve?.(error)
      return resolve !== undefined
    },
    loseAll() {
      for (const resolve of waiting.values()) resolve('lost')
    },
  }
}
