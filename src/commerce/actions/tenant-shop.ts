import type { Ids } from '../../lib/ids.ts'
import type { FeedEvent } from '../../stores/feed.ts'
import type { Transaction } from '../../stores/postgres/database.ts'
import { statement } from '../../stores/postgres/statement.ts'
import { chooseSeller, giveToSeller, lockCandidatesFor, sellerOfConversation } from '../assign-seller.ts'
import { readCart, writeCart } from '../carts.ts'
import { findInCatalog, listCatalog, nameCatalog, searchCatalog } from '../catalog.ts'
import { createOrder } from '../create-order.ts'
import { lockProfile, writeProfile } from '../customer-profile.ts'
import { orderEvent } from '../orders.ts'
import { cancelOwnOrder, findOwnOrder } from '../own-orders.ts'
import { isActiveSeller } from '../sellers.ts'
import { queueEvent } from '../webhook-deliveries.ts'
import type { Shop } from './shop.ts'

/** Whose conversation it is, and who is to be told of what changes, once that is committed. */
export type ShopCaller = {
  readonly tenantId: string
  readonly customerId: string
  readonly conversationId: string
  /** Takes what the tenant's sockets are told. */
  readonly tell?: ((event: FeedEvent) => void) | undefined
  /** Takes the resources of the API whose kept answers are out of date besides those that the events tell of. */
  readonly changed?: ((resources: readonly string[]) => void) | undefined
}

const selectLanguage = statement({
  name: 'action_language',
  params: ['tenant_id'],
  row: { language: 'text' },
  sql: `select coalesce(settings->>'language', 'es') as language from tenants where id = $1`,
})

const postHandoff = statement({
  name: 'action_handoff',
  params: ['tenant_id', 'conversation_id', 'id', 'body'],
  row: {},
  sql: `insert into inbox (tenant_id, conversation_id, id, kind, body, bot_id)
    select tenant_id, id, $3, 'handoff', $4::text::jsonb, bot_id from conversations where tenant_id = $1 and id = $2`,
})

/** Lists of these show or are searched by what a customer is called. */
const showCustomers = ['customers', 'orders', 'conversations'] as const

/** A tenant's own shop, in an open transaction that may see it. */
export function openTenantShop(tx: Transaction, ids: Ids, caller: ShopCaller): Shop {
  const { tenantId, customerId, conversationId } = caller
  const key = { tenantId, customerId, conversationId }
  const tell = (event: FeedEvent) => caller.tell?.(event)

  async function give(sellerId: string, inTurn: boolean): Promise<void> {
    const { bot_id, customer_id } = await giveToSeller(tx, key, sellerId, inTurn)
    // Without its status, which the turn may be changing: the turn tells that by itself.
    tell({ type: 'conversation.updated', data: { id: conversationId, bot_id, customer_id, seller_id: sellerId } })
  }

  return {
    async readLanguage() {
      const [tenant] = await tx.run(selectLanguage, { tenant_id: tenantId })
      return tenant?.language ?? 'es'
    },

    listProducts: page => listCatalog(tx, { tenantId, ...page }),
    searchProducts: (wanted, limit) => searchCatalog(tx, { tenantId, wanted, limit }),
    nameProducts: limit => nameCatalog(tx, tenantId, limit),
    findProducts: productIds => findInCatalog(tx, tenantId, productIds),

    readCart: () => readCart(tx, key),
    writeCart: lines => writeCart(tx, key, lines),

    async createOrder(items, notes) {
      const created = await createOrder(tx, ids, { ...key, items, notes })
      if (created.kind === 'created') tell(orderEvent('order.created', created.order))
      return created
    },
    findOrder: number => findOwnOrder(tx, { tenantId, customerId, number }),
    async cancelOrder(number) {
      const cancelled = await cancelOwnOrder(tx, { tenantId, customerId, number })
      if (cancelled.kind === 'cancelled') tell(orderEvent('order.updated', cancelled.order))
      return cancelled
    },

    readCustomer: () => lockProfile(tx, tenantId, customerId),
    async writeCustomer(profile) {
      await writeProfile(tx, tenantId, customerId, profile)
      caller.changed?.(showCustomers)
    },

    sellerOfConversation: () => sellerOfConversation(tx, key),
    async assignSeller(strategy, only) {
      const chosen = chooseSeller(await lockCandidatesFor(tx, key, only), strategy)
      if (chosen !== null) await give(chosen.id, true)
      return chosen
    },
    async giveToSeller(sellerId) {
      if (!(await isActiveSeller(tx, tenantId, sellerId))) return false
      await give(sellerId, false)
      return true
    },
    async callPerson(note) {
      const body = JSON.stringify({ note, agent_id: null })
      await tx.run(postHandoff, { tenant_id: tenantId, conversation_id: conversationId, id: ids.next(), body })
    },

    async tellWebhooks(type, data) {
      const about = { conversation_id: conversationId, customer_id: customerId }
      return await queueEvent(tx, ids, { tenantId, type, data, about })
    },
  }
}
