import type { Action } from './action.ts'
import { catalogList } from './catalog-list.ts'
import { orderCreate } from './order-create.ts'

/** Every action that a flow can call, by its handler's name. */
export const actions: ReadonlyMap<string, Action> = new Map(
  [orderCreate, catalogList].map(action => [action.handler, action]),
)
