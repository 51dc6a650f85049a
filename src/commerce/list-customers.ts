import { firstId, lastId } from '../lib/ids.ts'
import type { Transaction } from '../stores/postgres/database.ts'
import { firstRows, ifGiven } from '../stores/postgres/list-sql.ts'
import { statement } from '../stores/postgres/statement.ts'
import { type Customer, customerColumns, customerRow } from './customers.ts'

const pageParams = [
  'tenant_id',
  'before_id',
  'search',
  'phone',
  'identity',
  'bot_id',
  'limit',
  'is_opted_out',
  'tag',
] as const

const identityOf = 'select from customer_identities i where i.tenant_id = c.tenant_id and i.customer_id = c.id'
const isLike = `(position(plain_text($3) in plain_text(c.name)) > 0 or position($3 in c.phone) > 0
    or position(lower($3) in lower(c.email)) > 0)`
const hasPhone = `(c.phone = $4 or exists (${identityOf} and i.kind = 'phone' and i.value = $4))`
const filters = [
  ifGiven('$3::text', isLike),
  ifGiven('$4::text', hasPhone),
  ifGiven('$8::bool', '(c.opted_out_at is not null) = $8'),
  ifGiven('$9::text', '$9 = any (c.tags)'),
].join(' and ')

/** The phone is an identity without a bot, too. */
const isKnown = `case when $5::text is null and $6::uuid is null then true
    when $6::uuid is null then c.phone = $5 or exists (${identityOf} and i.value = $5)
    else exists (${identityOf} and i.bot_id = $6 and ($5::text is null or i.value = $5)) end`

function selectPage(
  name: string,
  page: { readonly distinct?: string; readonly from: string; readonly where: string; readonly order: string },
) {
  return statement({
    name,
    params: pageParams,
    row: customerRow,
    sql: firstRows(
      `select ${page.distinct ?? ''} ${customerColumns} from ${page.from}
      where c.tenant_id = $1 and c.id < $2::uuid and ${filters} and ${page.where}
      order by ${page.order}`,
      '$7',
    ),
  })
}

const selectNewest = selectPage('customer_list', {
  from: 'customers c',
  where: isKnown,
  order: 'c.id desc',
})

/** Those who are known by this value: few. */
function selectKnown(name: string, value: string) {
  return selectPage(name, {
    from: `(
      select customer_id as id from customer_identities where tenant_id = $1 and value = ${value}
      union select id from customers where tenant_id = $1 and phone = ${value}
    ) known join customers c on c.tenant_id = $1 and c.id = known.id`,
    where: isKnown,
    order: 'c.id desc',
  })
}

const selectByPhone = selectKnown('customer_list_by_phone', '$4::text')
const selectByIdentity = selectKnown('customer_list_by_identity', '$5::text')

// One by one as the page takes them: a bot can know a million. Compared as rows, so that no other index will do.
const selectOfBot = selectPage('customer_list_of_bot', {
  distinct: 'distinct on (known.bot_id, known.customer_id)',
  from: `customer_identities known
      cross join lateral (select * from customers where tenant_id = $1 and id = known.customer_id offset 0) c`,
  where: `known.tenant_id = $1 and (known.bot_id, known.customer_id) < ($6::uuid, $2::uuid)
        and (known.bot_id, known.customer_id) >= ($6::uuid, '${firstId}'::uuid)
        and ${ifGiven('$5::text', `exists (${identityOf} and i.bot_id = $6 and i.value = $5)`)}`,
  order: 'known.bot_id desc, known.customer_id desc',
})

// Few of all: by an index that has no others.
const selectOptedOut = selectPage('customer_list_opted_out', {
  from: 'customers c',
  where: `c.opted_out_at is not null and ${isKnown}`,
  order: 'c.id desc',
})

const selectTagged = selectPage('customer_list_tagged', {
  from: `customer_tags tagged
      cross join lateral (select * from customers where tenant_id = $1 and id = tagged.customer_id offset 0) c`,
  where: `tagged.tenant_id = $1 and (tagged.tag, tagged.customer_id) < ($9::text, $2::uuid)
        and (tagged.tag, tagged.customer_id) >= ($9::text, '${firstId}'::uuid) and ${isKnown}`,
  order: 'tagged.tag desc, tagged.customer_id desc',
})

/** What a list of customers is narrowed by; null takes everything. */
export type CustomerFilter = {
  /** Part of the name, phone or e-mail address. */
  readonly search: string | null
  readonly phone: string | null
  /** What WhatsApp knows them by, of any kind; with a bot: what that bot does. */
  readonly identity: string | null
  /** Known to this bot. */
  readonly botId: string | null
  /** Whether they want no messages. */
  readonly isOptedOut: boolean | null
  /** Has this tag. */
  readonly tag: string | null
}

/** Newest first; `beforeId` is the last one of the page before. */
export async function listCustomers(
  tx: Transaction,
  page: { readonly tenantId: string; readonly beforeId: string | null; readonly limit: number } & CustomerFilter,
): Promise<Customer[]> {
  const { tenantId, beforeId, limit, search, phone, identity, botId, isOptedOut, tag } = page
  return await tx.run(byBestIndex(page), {
    ...{ tenant_id: tenantId, before_id: beforeId ?? lastId, limit },
    ...{ search, phone, identity, bot_id: botId, is_opted_out: isOptedOut, tag },
  })
}

function byBestIndex(filter: CustomerFilter) {
  if (filter.identity !== null) return selectByIdentity
  if (filter.phone !== null) return selectByPhone
  if (filter.tag !== null) return selectTagged
  if (filter.isOptedOut === true) return selectOptedOut
  return filter.botId === null ? selectNewest : selectOfBot
}
