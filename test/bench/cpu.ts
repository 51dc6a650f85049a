import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second in /proc (always 100 on Linux, see proc(5) and sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100

/** CPU seconds that a process has used, user and system. */
export function cpuSeconds(pid: number): number {
  const [, , , , , , , , , , , utime = 0, stime = 0] = stat(pid)
  return (utime + stime) / ticksPerSecond
}

/** The same of a PostgreSQL server: the postmaster, its children, and those of them that have ended. */
export function postgresCpuSeconds(postmaster: number): number {
  const children = readdirSync('/proc').filter(name => /^\d+$/.test(name) && parentOf(Number(name)) === postmaster)
  const [, , , , , , , , , , , , , cutime = 0, cstime = 0] = stat(postmaster)
  const ended = (cutime + cstime) / ticksPerSecond
  return children.reduce((sum, pid) => sum + cpuOr0(Number(pid)), cpuSeconds(postmaster) + ended)
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kb) / 102.4) / 10
}

/** The postmaster that a process has started; undefined where it has none. */
export function postmasterOf(dataDir: string): number {
  return Number(readFileSync(`${dataDir}/postgres/postmaster.pid`, 'utf8').split('\n')[0])
}

/** The fields after the program's name, which may hold spaces: the first is the state, field 3 of proc(5). */
function stat(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

function parentOf(pid: number): number | undefined {
  try {
    return stat(pid)[1]
  } catch {
    return undefined
  }
}

function cpuOr0(pid: number): number {
  try {
    return cpuSeconds(pid)
  } catch {
    return 0
  }
}
