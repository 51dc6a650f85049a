import type { BusinessNumber } from '../records.ts'
import type { World } from '../world.ts'
import { speaks } from './accounts.ts'

type Hosted = 'd360' | 'legacy'

/** The number that a request's `D360-API-KEY` is for: there is one key for each number, and it is all that names it. */
export function numberOfKey(world: World, request: Request, ...dialects: readonly Hosted[]): BusinessNumber | null {
  const key = request.headers.get('d360-api-key')
  return (
    world.numbers().find(({ account }) => dialects.some(each => speaks(account, each) && account.api_key === key)) ??
    null
  )
}
