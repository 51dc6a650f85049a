/** Numbers that look random and come from a seed: the same ones in the same order, for ever. */
export type Random = {
  /** From 0 up to 1. */
  next(): number
  /** Whole, from `min` to `max`, both among them. */
  between(min: number, max: number): number
  chance(probability: number): boolean
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T
  shuffled<T>(list: readonly T[]): T[]
  /** Mostly about `typical`, at times many times that: as delays are. */
  delay(typical: number): number
  hex(digits: number): string
}

export function randomFrom(seed: number): Random {
  const next = sfc32(seed)
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    between,
    chance: probability => next() < probability,
    pick(list) {
      const [first, ...rest] = list.slice(between(0, list.length - 1))
      if (first === undefined) throw new Error(`Nothing to pick from ${list.length} (${rest.length})`)
      return first
    },
    shuffled(list) {
      const left = [...list]
      return list.flatMap(() => left.splice(between(0, left.length - 1), 1))
    },
    delay: typical => Math.ceil(typical * -Math.log(1 - next() * 0.999)),
    hex(digits) {
      let text = ''
      while (text.length < digits) text += Math.floor(next() * 16).toString(16)
      return text
    },
  }
}

/** Chris Doty-Humphrey's small fast counter (PractRand), which passes the usual tests of randomness. */
function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [seed | 0, (seed / 4_294_967_296) | 0, 0x9e37_79b9, 1]
  const next = () => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 4_294_967_296
  }
  // The first ones of neighbouring seeds are alike.
  for (let index = 0; index < 20; index++) next()
  return next
}
