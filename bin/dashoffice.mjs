#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runBun } from './bun.mjs'

// How the runtime keeps small, and more of it for the role that nobody waits for: docs/decisions/memory.md has the figures.
const runtime = JSON.parse(readFileSync(new URL('./runtime.json', import.meta.url), 'utf8'))

const [command] = process.argv.slice(2)
const program = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const settings = { ...runtime.program, ...(command === 'analytics' && runtime.analytics) }
runBun([program, ...process.argv.slice(2)], settings)
