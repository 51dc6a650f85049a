import type { DraftDocument } from '../flows.ts'
import type { Language } from '../tenant-settings.ts'
import { orderCreation } from './order-creation.ts'
import { productCatalog } from './product-catalog.ts'
import { support } from './support.ts'
import { readyTexts } from './texts.ts'
import { welcome } from './welcome.ts'

/** The kinds of ready flows, each called only by those after it. */
export const readyKinds = ['order_creation', 'product_catalog', 'support', 'welcome'] as const
export type ReadyKind = (typeof readyKinds)[number]

/** A flow that a shop can begin with. */
export type ReadyFlow = { readonly kind: ReadyKind; readonly language: Language; readonly document: DraftDocument }

/** The ready flows of a language, those that are called before those that call them. */
export function readyFlows(language: Language): readonly ReadyFlow[] {
  const t = readyTexts[language]
  const names = { catalog: t.catalog.name, order: t.order.name, support: t.support.name }
  const documents: Readonly<Record<ReadyKind, DraftDocument>> = {
    order_creation: orderCreation(t.order, t.welcome.person_comes),
    product_catalog: productCatalog(t.catalog, { order: names.order, personComes: t.welcome.person_comes }),
    support: support(t.support),
    welcome: welcome(t.welcome, names),
  }
  return readyKinds.map(kind => ({ kind, language, document: documents[kind] }))
}
