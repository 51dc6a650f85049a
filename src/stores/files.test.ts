import { afterEach, beforeEach, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuids } from '../lib/ids.ts'
import { type FilePlace, type Files, makeFiles, type ReceivedFile } from './files.ts'

let dir: string
let files: Files
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dashoffice-test-'))
  files = makeFiles(join(dir, 'media'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const newPlace = (): FilePlace => ({ tenantId: uuids.next(), id: uuids.next() })
const pathOf = ({ tenantId, id }: FilePlace) => join(dir, 'media', tenantId, id.slice(-2), id)
const unfinished = () => readdirSync(join(dir, 'media/incoming'))

async function* chunksOf(...texts: readonly string[]) {
  for (const text of texts) yield Buffer.from(text)
}

async function receive(...texts: readonly string[]): Promise<ReceivedFile> {
  const received = await files.receive(chunksOf(...texts), 1_000)
  if (received === null) throw new Error('it was too large')
  return received
}

async function textAt(place: FilePlace): Promise<string | undefined> {
  return await (await files.find(place, 'text/plain'))?.text()
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

test('what is kept is read back, and only its owner may read it', async () => {
  const place = newPlace()
  const received = await receive('%PDF-', '1.7 and ', 'the rest of the file')
  expect(await files.find(place, 'text/plain')).toBeNull()
  await received.keep(place)
  const whole = '%PDF-1.7 and the rest of the file'
  expect(await textAt(place)).toBe(whole)
  expect(received).toMatchObject({
    ...{ bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') },
    head: Buffer.from(whole.slice(0, 16)),
  })
  expect((await files.find(place, 'image/png'))?.type).toBe('image/png')
  const modes = [pathOf(place), join(pathOf(place), '..'), join(dir, 'media')].map(path => statSync(path).mode & 0o777)
  expect(modes).toEqual([0o600, 0o700, 0o700])
  expect(unfinished()).toEqual([])
})

test('more than is allowed is not read to its end, and leaves nothing', async () => {
  let read = 0
  async function* endless() {
    for (;;) {
      read++
      yield Buffer.alloc(400)
    }
  }
  expect(await files.receive(endless(), 1_000)).toBeNull()
  expect(read).toBe(3)
  expect(await files.receive(chunksOf('a'.repeat(1_000)), 1_000)).toMatchObject({ bytes: 1_000 })
  expect(unfinished().length).toBe(1)
})

test('what breaks off leaves nothing, and neither does what is discarded', async () => {
  async function* broken() {
    yield Buffer.from('half')
    throw new Error('the other end is gone')
  }
  await expect(files.receive(broken(), 1_000)).rejects.toThrow('the other end is gone')
  await (await receive('whole')).discard()
  expect(unfinished()).toEqual([])
})

test('a file is removed once, and one that is not there is no error', async () => {
  const place = newPlace()
  await (await receive('a')).keep(place)
  await files.remove(place)
  await files.remove(place)
  expect(await files.find(place, 'text/plain')).toBeNull()
})

test('no path leads out of the folder', async () => {
  const [{ tenantId, id }, received] = [newPlace(), await receive('a')]
  writeFileSync(join(dir, 'secrets.json'), '{}')
  const tries = [
    { tenantId: '..', id },
    { tenantId, id: '../../../secrets.json' },
    { tenantId: `${tenantId}/..`, id },
    { tenantId, id: `${id}/../../../../secrets.json` },
    { tenantId, id: `${id}\0` },
    { tenantId: '', id: '' },
    { tenantId, id: id.toUpperCase() },
  ]
  for (const place of tries) {
    await expect(files.find(place, 'text/plain')).rejects.toThrow('by ids only')
    await expect(files.remove(place)).rejects.toThrow('by ids only')
    await expect(received.keep(place)).rejects.toThrow('by ids only')
  }
  expect(readdirSync(dir).sort()).toEqual(['media', 'secrets.json'])
})

test('all files are walked, and nothing else', async () => {
  const places = [newPlace(), newPlace(), { ...newPlace(), tenantId: uuids.next() }]
  for (const place of places) await (await receive('a')).keep(place)
  await receive('still coming')
  symlinkSync(dir, join(dir, 'media', 'a-link'))
  writeFileSync(join(pathOf(newestOf(places)), '..', 'not-an-id'), '')
  const walked = (await all(files.walk())).map(({ tenantId, id }) => ({ tenantId, id }))
  expect(walked.sort(byId)).toEqual(places.sort(byId))
  expect(await all(makeFiles(join(dir, 'nowhere')).walk())).toEqual([])
})

test('what a process left half-way is removed, and what is being written stays', async () => {
  await receive('left')
  const [left = ''] = unfinished()
  utimesSync(join(dir, 'media/incoming', left), new Date(0), new Date(0))
  await receive('being written')
  await files.removeUnfinished(new Date(1))
  expect(unfinished().length).toBe(1)
  expect(unfinished()).not.toContain(left)
})

const byId = (a: FilePlace, b: FilePlace) => (a.id < b.id ? -1 : 1)
const newestOf = (places: readonly FilePlace[]) => places.at(-1) ?? newPlace()

test('all files of a tenant are removed, and nobody else’s; of one that has none, nothing', async () => {
  const [one, another] = [newPlace(), newPlace()]
  const second = { ...one, id: uuids.next() }
  for (const place of [one, second, another]) await (await receive('x')).keep(place)
  await files.removeAll(one.tenantId)
  await files.removeAll(uuids.next())
  expect((await all(files.walk())).map(place => place.id)).toEqual([another.id])
  expect(files.removeAll('../..')).rejects.toThrow('by ids only')
})
