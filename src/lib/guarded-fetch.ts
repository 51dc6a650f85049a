import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** `fetch`, for addresses that somebody outside wrote. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** An address that is not asked: not of the web, private, or one redirect too many. */
export class UnsafeAddress extends Error {
  override readonly name = 'UnsafeAddress'
}

const redirectsMax = 5
/** Headers that are for the first host alone. */
const credentials = ['authorization', 'cookie', 'apikey', 'd360-api-key', 'proxy-authorization']

/** Everything that is not the public internet (IANA, "Special-Purpose Address Registry", IPv4 and IPv6). */
const special = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  special.addSubnet(net, prefix, 'ipv4')
const global = new BlockList()
global.addSubnet('2000::', 3, 'ipv6')
for (const [net, prefix] of [
  // Each can stand for an IPv4 address behind it: Teredo, 6to4; and documentation.
  ['2001::', 23],
  ['2002::', 16],
  ['2001:db8::', 32],
  ['3fff::', 20],
] as const)
  special.addSubnet(net, prefix, 'ipv6')

/** Whether an IP address is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4')
    case 6:
      return global.check(address, 'ipv6') && !special.check(address, 'ipv6')
    default:
      return false
  }
}

/**
 * Makes a `fetch` that asks public addresses only. The name is resolved once and its address asked, under the name (Host,
 * TLS), so that it cannot resolve to another one in between; each redirect passes the same, and takes no credentials to
 * another host. Rejects with an `UnsafeAddress` before anything was sent. `allowsPrivate`: takes every address. `resolve`
 * gives all addresses of a name; left out, the system's.
 */
export function makeGuardedFetch({
  allowsPrivate,
  resolve = resolveName,
}: {
  readonly allowsPrivate: boolean
  readonly resolve?: (name: string) => Promise<readonly string[]>
}): Fetch {
  return async (url, init) => {
    let [target, options] = [readUrl(url), init]
    for (let redirects = 0; ; redirects++) {
      const response = await (allowsPrivate ? fetchOnce(target, options) : fetchPinned(target, options, resolve))
      const location = response.headers.get('location')
      if (!isRedirect(response.status) || location === null || init.redirect === 'manual') return response
      await response.body?.cancel()
      if (redirects === redirectsMax) throw new UnsafeAddress(`More than ${redirectsMax} redirects`)
      const next = readUrl(location, target)
      options = redirected(options, response.status, next.host === target.host)
      target = next
    }
  }
}

function readUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (url === null || !/^https?:$/.test(url.protocol)) throw new UnsafeAddress('Not an address of the web')
  return url
}

function fetchOnce(url: URL, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, redirect: 'manual' })
}

async function resolveName(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(one => one.address)
}

async function fetchPinned(url: URL, init: RequestInit, resolve: typeof resolveName): Promise<Response> {
  const name = url.hostname.replace(/^\[|\]$/g, '')
  const address = await resolvePublic(name, resolve)
  const pinned = new URL(url)
  pinned.hostname = isIP(address) === 6 ? `[${address}]` : address
  const headers = new Headers(init.headers)
  headers.set('host', url.host)
  // Bun takes the name for the certificate from here (1.4.5: from the Host header alone it does not).
  return await fetch(pinned, {
    ...init,
    headers,
    redirect: 'manual',
    ...(isIP(name) === 0 && { tls: { serverName: name } }),
  })
}

/** All addresses of a name must be public: which one is asked is chance. */
async function resolvePublic(name: string, resolve: typeof resolveName): Promise<string> {
  const found = isIP(name) === 0 ? await resolve(name) : [name]
  const [first] = found
  if (first === undefined || !found.every(isPublicAddress))
    throw new UnsafeAddress('The address is private, or of this machine')
  return first
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status)
}

/** A redirect after which the method stays takes the body along; the others are followed by a GET. */
function redirected(init: RequestInit, status: number, isSameHost: boolean): RequestInit {
  const headers = new Headers(init.headers)
  if (!isSameHost) for (const name of credentials) headers.delete(name)
  const staysAsIs = status === 307 || status === 308
  const { body: _, method: __, ...rest } = init
  return staysAsIs ? { ...init, headers } : { ...rest, headers, method: init.method === 'HEAD' ? 'HEAD' : 'GET' }
}
