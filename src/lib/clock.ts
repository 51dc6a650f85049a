/** Where the time comes from. Epoch milliseconds. Tests control it; everything else takes `systemClock`. */
export type Clock = { now(): number }

export const systemClock: Clock = { now: () => Date.now() }
