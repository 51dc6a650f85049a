import { createRequire } from 'node:module'

type Driver = typeof import('mongodb')

const require = createRequire(import.meta.url)

/** What bson takes for its buffer, in which it writes each document: one of the largest size fits (bson.cjs, MAXSIZE). */
const bsonBufferBytes = 17 * 1024 * 1024
/** The unit of a WebAssembly memory. */
const wasmPageBytes = 65_536

/**
 * Loads the MongoDB driver, 12 MB of memory, for those who use it. As it is, it takes 12 or 29: bson asks for its buffer at
 * once, and where Bun has memory to hand that it has used before, it writes zeros into all of it. A memory of WebAssembly
 * always comes from the system, which hands out what is touched.
 */
export function loadDriver(): Driver {
  const allocate = Buffer.alloc
  const allocateLazily: typeof Buffer.alloc = (size, ...fill) =>
    size === bsonBufferBytes
      ? Buffer.from(new WebAssembly.Memory({ initial: size / wasmPageBytes }).buffer)
      : allocate(size, ...fill)
  Buffer.alloc = allocateLazily
  try {
    return require('mongodb')
  } finally {
    Buffer.alloc = allocate
  }
}
