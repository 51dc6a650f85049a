import { type BinaryNode, getBinaryNodeChild, getBinaryNodeChildren } from '@whiskeysockets/baileys'

/** What the server knows when a device asks. */
export type Knowledge = {
  /** Whose device it is; undefined before it is linked. */
  readonly account: { readonly number: string; readonly lid: string; uploaded: BinaryNode | undefined } | undefined
  /** Who has WhatsApp, by phone or LID. */
  readonly find: (user: string) => Customer | undefined
  readonly mediaHost: string
}

type Customer = { readonly phone: string; readonly lid: string; readonly bundle: (jid: string) => BinaryNode }

const host = 's.whatsapp.net'

/** The content of the answer to a query (`iq`) of a device; empty for what the server only takes note of. */
export function answerQuery(query: BinaryNode, known: Knowledge): readonly BinaryNode[] {
  const child = childrenOf(query)[0]
  switch (query.attrs.xmlns) {
    case 'encrypt':
      return answerKeys(query, child, known)
    case 'usync':
      return [usync(query, known)]
    case 'w:m':
      return [
        {
          tag: 'media_conn',
          attrs: { auth: 'media-auth', ttl: '3600' },
          content: [{ tag: 'host', attrs: { hostname: known.mediaHost } }],
        },
      ]
    default:
      return []
  }
}

function answerKeys(query: BinaryNode, child: BinaryNode | undefined, known: Knowledge): readonly BinaryNode[] {
  const { account } = known
  if (query.attrs.type === 'set') {
    if (account !== undefined && getBinaryNodeChild(query, 'identity') !== undefined) account.uploaded = query
    return []
  }
  if (child?.tag === 'count') return [{ tag: 'count', attrs: { value: String(preKeysLeft(account?.uploaded)) } }]
  if (child?.tag === 'digest') return [{ tag: 'digest', attrs: {} }]
  if (child?.tag !== 'key') return []
  const users = getBinaryNodeChildren(child, 'user').map(user => user.attrs.jid ?? '')
  const bundles = users.flatMap(jid => known.find(userOf(jid))?.bundle(jid) ?? [])
  return [{ tag: 'list', attrs: {}, content: bundles }]
}

function preKeysLeft(uploaded: BinaryNode | undefined): number {
  const list = uploaded === undefined ? undefined : getBinaryNodeChild(uploaded, 'list')
  return list === undefined ? 0 : childrenOf(list).length
}

/** Which of these users have WhatsApp, on which devices, and what else they are called. */
function usync(query: BinaryNode, known: Knowledge): BinaryNode {
  const asked = getBinaryNodeChild(query, 'usync')
  const protocols = childrenOf(getBinaryNodeChild(asked, 'query')).map(protocol => protocol.tag)
  const users = childrenOf(getBinaryNodeChild(asked, 'list')).map(user => describeUser(user, protocols, known))
  const content = [
    { tag: 'result', attrs: {} },
    { tag: 'list', attrs: {}, content: users },
  ]
  return { tag: 'usync', attrs: {}, content }
}

function describeUser(user: BinaryNode, protocols: readonly string[], { account, find }: Knowledge): BinaryNode {
  const contact = getBinaryNodeChild(user, 'contact')?.content
  const jid = user.attrs.jid ?? `${textOf(contact).replace('+', '')}@${host}`
  const name = userOf(jid)
  const isOwn = name === account?.number || name === account?.lid
  const lid = isOwn ? account?.lid : find(name)?.lid
  const exists = lid !== undefined
  const device = isOwn ? { id: '1', 'key-index': '1' } : { id: '0' }
  const list = { tag: 'device-list', attrs: {}, content: exists ? [{ tag: 'device', attrs: device }] : [] }
  const content: BinaryNode[] = []
  if (protocols.includes('contact')) content.push({ tag: 'contact', attrs: { type: exists ? 'in' : 'out' } })
  if (protocols.includes('devices')) content.push({ tag: 'devices', attrs: {}, content: [list] })
  if (protocols.includes('lid') && exists) content.push({ tag: 'lid', attrs: { val: `${lid}@lid` } })
  return { tag: 'user', attrs: { jid }, content }
}

function textOf(content: BinaryNode['content']): string {
  return content === undefined || Array.isArray(content) ? '' : Buffer.from(content).toString()
}

/** The phone or LID of a JID, without its device. */
export function userOf(jid: string): string {
  return jid.split('@')[0]?.split(':')[0] ?? ''
}

export function childrenOf(node: BinaryNode | undefined): readonly BinaryNode[] {
  return Array.isArray(node?.content) ? node.content : []
}
