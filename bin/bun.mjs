#!/usr/bin/env node
// Runs Bun with the arguments given. Finds the platform's binary in @oven/bun-* by itself, so that it also works
// where npm did not run the install script of the `bun` package (npm 12 blocks them, `--ignore-scripts` too).
import { spawn } from 'node:child_process'
import { accessSync, chmodSync, constants as fs, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'

const require = createRequire(import.meta.url)

/** The path of the Bun binary that npm installed for this platform; undefined where it installed none. */
export function findBun() {
  const path = candidates().find(isProgram)
  if (path !== undefined) makeExecutable(path)
  return path
}

// The `bun` package's install script moves the binary to bun/bin/bun.exe (on every platform); without the script it
// stays in its own package and bun.exe is a small text file that says so.
function candidates() {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const arch = process.arch === 'arm64' ? 'aarch64' : process.arch
  const libc = isMusl() ? '-musl' : ''
  const file = os === 'windows' ? 'bun.exe' : 'bun'
  return [
    ...[`@oven/bun-${os}-${arch}${libc}`, `@oven/bun-${os}-${arch}${libc}-baseline`].map(name => inPackage(name, file)),
    inPackage('bun', 'bun.exe'),
  ]
}

function inPackage(name, file) {
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', file)
  } catch {
    return undefined
  }
}

function isProgram(path) {
  return path !== undefined && (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 1_000_000
}

/**
 * Runs Bun with these arguments in this terminal, hands signals on, and ends as it ends. What is set in the environment
 * counts before `defaults`.
 */
export function runBun(args, defaults = {}) {
  const bun = findBun()
  if (bun === undefined) {
    console.error(
      `dashoffice: no Bun for ${process.platform}-${process.arch} in node_modules: run "npm ci" (with optional dependencies)`,
    )
    process.exit(1)
  }
  const child = spawn(bun, args, { stdio: 'inherit', env: { ...defaults, ...process.env } })
  // A terminal's Ctrl-C reaches the child by itself: the launcher only has to outlive it.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT')
  })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    console.error(`dashoffice: ${bun} could not be started: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0)))
}

function isMusl() {
  return process.platform === 'linux' && process.report?.getReport().header.glibcVersionRuntime === undefined
}

function makeExecutable(path) {
  try {
    accessSync(path, fs.X_OK)
  } catch {
    chmodSync(path, 0o755)
  }
}

if (import.meta.filename === undefined || process.argv[1]?.endsWith('bun.mjs')) runBun(process.argv.slice(2))
