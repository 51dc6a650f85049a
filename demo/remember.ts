import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { UsageError } from '../src/lib/errors.ts'

const shopSchema = v.object({
  email: v.string(),
  password: v.string(),
  botId: v.string(),
  /** Meta's id of the shop's number, and what the provider and the bot must agree on. */
  number: v.string(),
  accessToken: v.string(),
  appSecret: v.string(),
  verifyToken: v.string(),
  /** The phone of the customer whose conversation is played. */
  customer: v.string(),
  hasPlayed: v.boolean(),
})

/** What the demo must know of its shop at the next start. */
export type Shop = v.InferOutput<typeof shopSchema>

/** The file that holds it, readable by its owner only: the password is in it. */
export function rememberShop(dataDir: string): { read(): Shop | undefined; write(shop: Shop): Shop } {
  const path = join(dataDir, 'demo.json')
  return {
    read() {
      if (!existsSync(path)) return undefined
      const parsed = v.safeParse(shopSchema, JSON.parse(readFileSync(path, 'utf8')))
      if (parsed.success) return parsed.output
      throw new UsageError(`${path} is not what the demo wrote: remove the data dir to begin anew`)
    },
    write(shop) {
      writeFileSync(`${path}.new`, `${JSON.stringify(shop, null, 2)}\n`, { mode: 0o600 })
      renameSync(`${path}.new`, path)
      return shop
    },
  }
}
