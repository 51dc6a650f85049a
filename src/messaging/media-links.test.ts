import { expect, test } from 'bun:test'
import { type MediaLink, makeMediaLinks } from './media-links.ts'

const options = { encryptionKey: 'an-encryption-key-for-tests-of-32-bytes', publicUrl: 'https://shop.example/hooks' }
const links = makeMediaLinks(options)
const file = { tenantId: '0190a0a0-0000-7000-8000-000000000001', id: '0190a0a0-0000-7000-8000-000000000002' }
const [before, end] = [new Date('2026-01-01T00:59:59Z'), new Date('2026-01-01T01:00:00Z')]

function read(url: string): MediaLink {
  const { pathname, searchParams } = new URL(url)
  const [, , , tenantId = '', id = ''] = pathname.split('/')
  return { tenantId, id, expires: searchParams.get('expires') ?? '', signature: searchParams.get('signature') ?? '' }
}

test('a link is good until it expires', () => {
  const url = links.linkTo(file, end)
  expect(url).toStartWith(`https://shop.example/hooks/media/${file.tenantId}/${file.id}?expires=1767229200&signature=`)
  expect(links.verify(read(url), before)).toBe('valid')
  expect(links.verify(read(url), end)).toBe('expired')
})

test('a link in which anything was changed is wrong, expired or not', () => {
  const link = read(links.linkTo(file, end))
  const changed = [
    { ...link, id: file.tenantId },
    { ...link, tenantId: file.id },
    { ...link, tenantId: file.id, id: file.tenantId },
    { ...link, expires: '1767229201' },
    { ...link, expires: `${link.expires}.0` },
    { ...link, expires: '' },
    { ...link, signature: '' },
    { ...link, signature: link.signature.slice(1) },
    { ...link, signature: `${link.signature}=` },
    { ...link, signature: link.signature.toLowerCase() },
  ]
  for (const one of changed) for (const now of [before, end]) expect(links.verify(one, now)).toBe('wrong')
})

test('under another key every link is another one', () => {
  const others = makeMediaLinks({ ...options, encryptionKey: 'another-encryption-key-for-tests-of-32' })
  expect(others.verify(read(links.linkTo(file, end)), before)).toBe('wrong')
})
