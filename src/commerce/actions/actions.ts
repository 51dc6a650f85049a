import type { Action, ActionPermission } from './action.ts'
import { cartAdd } from './cart-add.ts'
import { cartClear } from './cart-clear.ts'
import { cartRemove } from './cart-remove.ts'
import { cartShow } from './cart-show.ts'
import { catalogGet } from './catalog-get.ts'
import { catalogList } from './catalog-list.ts'
import { catalogSearch } from './catalog-search.ts'
import { customerUpdate } from './customer-update.ts'
import { httpRequest } from './http-request.ts'
import { orderCancel } from './order-cancel.ts'
import { orderCreate } from './order-create.ts'
import { orderStatus } from './order-status.ts'
import { sellerAssign } from './seller-assign.ts'
import { supportHandoff } from './support-handoff.ts'
import { tagAdd } from './tag-add.ts'
import { tagRemove } from './tag-remove.ts'
import { webhookEmit } from './webhook-emit.ts'

const all: readonly Action[] = [
  ...[catalogList, catalogGet, catalogSearch],
  ...[cartAdd, cartRemove, cartShow, cartClear],
  ...[orderCreate, orderStatus, orderCancel],
  ...[customerUpdate, tagAdd, tagRemove],
  ...[sellerAssign, supportHandoff],
  ...[httpRequest, webhookEmit],
]

/** Every action that a flow can call, by its handler's name. */
export const actions: ReadonlyMap<string, Action> = new Map(all.map(action => [action.handler, action]))

/**
 * What whoever publishes a flow that calls this must be allowed to do: a flow runs with the tenant's own authority.
 * Undefined where there is no such action.
 */
export function permissionOf(handler: string): ActionPermission | undefined {
  return actions.get(handler)?.permission
}
