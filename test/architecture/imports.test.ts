import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

// Who may import whom. The rooms are in docs/decisions/rooms.md.

const root = join(import.meta.dirname, '../..')
const roles = ['gateway', 'whatsapp', 'orchestrator', 'analytics']
const domain = ['identity', 'commerce', 'messaging']

/** What each room may import, besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  flow: ['lib'],
  stores: ['lib', 'config'],
  identity: ['stores', 'lib'],
  // The engine is pure: these two take its content and event types, and the schemas that check them.
  commerce: ['stores', 'lib', 'flow'],
  messaging: ['stores', 'lib', 'flow'],
  ...Object.fromEntries(roles.map(role => [role, [...domain, 'flow', 'stores', 'lib', 'config']])),
  commands: [...domain, 'flow', 'stores', 'lib', 'config'],
  config: ['lib'],
  app: [...roles, ...domain, 'stores', 'lib', 'config'],
  // The bridge is no role: it runs in a process of its own. The figures are made anew by a command.
  main: ['app', 'whatsapp', 'analytics', 'commands', 'stores', 'lib', 'config', 'emulator', 'demo'],
  emulator: [],
  demo: ['app', 'config', 'lib', 'emulator', 'flow'],
}

type Import = { readonly from: string; readonly to: string }

/** `src/flow/step.ts` is in room flow, `src/app.ts` is a room of its own, `emulator/…` is the emulator's. */
function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return first === 'src' ? second.replace(/\.ts$/, '') : first
}

function modules(): string[] {
  const globs = ['src/**/*.ts', 'emulator/**/*.ts', 'demo/**/*.ts']
  return globs.flatMap(glob => [...new Bun.Glob(glob).scanSync(root)]).filter(path => !path.endsWith('.test.ts'))
}

function importsOf(path: string): Import[] {
  const source = readFileSync(join(root, path), 'utf8')
  // Type imports count too: a type is knowledge of a room.
  const specifiers = [...source.matchAll(/(?:from\s+|import\s*\(?\s*)'(\.[^']+)'/g)].map(match => match[1] ?? '')
  return specifiers.map(specifier => ({ from: path, to: relative(root, join(root, dirname(path), specifier)) }))
}

const all = modules()
const imports = all.flatMap(importsOf)

test('the rules have read the program', () => {
  expect(all.length).toBeGreaterThan(100)
  expect(imports.length).toBeGreaterThan(250)
})

test('every room imports only what it may', () => {
  const broken = imports.filter(({ from, to }) => {
    const [room, other] = [roomOf(from), roomOf(to)]
    return room !== other && other !== 'package.json' && !(allowed[room] ?? []).includes(other)
  })
  expect(broken).toEqual([])
})

test('no imports go in a circle', () => {
  const edges = new Map<string, string[]>()
  for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to])
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, above: readonly string[]): void => {
    if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' → '))
    if (done.has(path) || above.includes(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...above, path])
    done.add(path)
  }
  for (const path of all) visit(path, [])
  expect(circles).toEqual([])
})

test('the engine does no I/O: it imports no module of the runtime', () => {
  const guilty = all
    .filter(path => roomOf(path) === 'flow')
    .filter(path =>
      /from '(node:|bun)|\b(Date\.now|Math\.random|fetch)\s*\(|\bBun\./.test(readFileSync(join(root, path), 'utf8')),
    )
  expect(guilty).toEqual([])
})
