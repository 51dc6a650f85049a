import { startWorkLoop } from '../../lib/work-loop.ts'
import {
  type Claimed,
  type Claimer,
  claimSessions,
  endSession,
  findSession,
  findUntold,
  renewLeases,
  type SessionRow,
  type Standstill,
  wantSession,
} from './leases.ts'
import { connectionJson, type SessionConnection } from './protocol.ts'
import { type Session, type SessionParts, startSession } from './session.ts'

/** All sessions of one bridge. */
export type Sessions = {
  /** One that is here; undefined where another bridge has it, or nobody. */
  get(botId: string): Session | undefined
  /** What the database says of one. */
  find(botId: string): Promise<SessionRow | null>
  /** Opens a session, whatever brought it to a standstill before. Undefined where another bridge has it. */
  connect(botId: string, phone: string | null): Promise<Session | undefined>
  /** Ends a session, here or where nobody has it. `isLogout`: for good. */
  disconnect(botId: string, isLogout: boolean): Promise<void>
  readonly size: number
  /** Closes all, and gives them back. */
  stop(): Promise<void>
}

export type SessionLimits = {
  /** Of one process: each takes ten megabytes and more. */
  readonly sessionsMax: number
  /** Until another bridge takes over the sessions of one that died. */
  readonly leaseMs: number
  readonly renewMs: number
}

export const sessionLimits: SessionLimits = { sessionsMax: 200, leaseMs: 12_000, renewMs: 3_000 }

/** Before a lease runs out, so that its socket is closed when another one opens: clocks may go a little differently. */
const marginMs = 2_000
/** Opened at once: each has keys to read and a connection to make. */
const claimMax = 10
const deadlineMs = 500
const untoldMax = 20
/** For a session to open that is to be logged out. */
const openMs = 6_000

const disconnected: Standstill = { state: 'ended', reason: 'The bot was disconnected here.' }
const loggedOut: Standstill = {
  state: 'logged_out',
  reason: 'The bot was logged out here: connect it to pair it again.',
}

/**
 * Keeps open the sessions of all bots that are to be connected, as far as no other bridge has them, and takes over those of
 * a bridge that died.
 */
export function startSessions(
  parts: SessionParts,
  { owner, url }: Pick<Claimer, 'owner' | 'url'>,
  limits: SessionLimits = sessionLimits,
): Sessions {
  const { database, log, post } = parts
  const claimer: Claimer = { owner, url, leaseMs: limits.leaseMs }
  const sessions = new Map<string, Session>()
  /** Those too whose lease is given back already. */
  const unended = new Set<Session>()
  /** To be logged out: they are not ended because their bots are to have none. */
  const leaving = new Set<string>()
  let isStopped = false
  let renewedAt = performance.now()
  let ticks = 0

  function start(claimed: Claimed): Session {
    const { botId } = claimed.lease
    // The one before has not yet noticed that it lost the lease.
    sessions.get(botId)?.abandon()
    const session = startSession(parts, claimed, () => {
      if (sessions.get(botId) === session) sessions.delete(botId)
    })
    sessions.set(botId, session)
    unended.add(session)
    void session.ended.then(() => unended.delete(session))
    return session
  }

  async function tick(): Promise<'done'> {
    await renew()
    const free = Math.min(claimMax, limits.sessionsMax - sessions.size)
    if (free > 0 && !isStopped) for (const claimed of await claimSessions(database, claimer, free)) start(claimed)
    if (ticks++ % 3 === 0) await tellUntold()
    return 'done'
  }

  async function renew(): Promise<void> {
    const beganAt = performance.now()
    // One that is taken meanwhile may not be among those that are renewed.
    const before = [...sessions.values()]
    const held = new Map((await renewLeases(database, claimer)).map(row => [row.botId, row]))
    renewedAt = beganAt
    for (const session of before) {
      const row = held.get(session.lease.botId)
      if (row?.fence !== session.lease.fence) session.abandon()
      else if (!row.isWanted && !leaving.has(session.lease.botId)) void session.end({ standstill: null })
    }
  }

  /** Without the database nobody can say whose the sessions are. */
  function abandonOverdue(): void {
    if (performance.now() - renewedAt < limits.leaseMs - marginMs) return
    for (const session of sessions.values()) session.abandon()
  }

  async function tellUntold(): Promise<void> {
    for (const { botId, standstill } of await findUntold(database, untoldMax)) {
      const connection = connectionOf(standstill)
      if (connection !== null && !sessions.has(botId))
        await post(botId, JSON.stringify({ event: 'connection', data: connectionJson(connection) }))
    }
  }

  async function claim(botId: string, phone: string | null): Promise<Session | undefined> {
    await wantSession(database, botId)
    const [claimed] = await claimSessions(database, claimer, 1, botId)
    return claimed === undefined ? sessions.get(botId) : start({ ...claimed, pairingPhone: phone })
  }

  /** The phone forgets a device only where that device says so: its session is opened once more. */
  async function logOut(botId: string): Promise<void> {
    const row = await findSession(database, botId)
    if (!sessions.has(botId) && (row === null || !row.exists || row.standstill?.state === 'logged_out')) return
    leaving.add(botId)
    try {
      const session = sessions.get(botId) ?? (await claim(botId, null))
      const end = performance.now() + openMs
      while (session?.connection().kind === 'connecting' && performance.now() < end) await session.changed(500)
      await session?.end({ standstill: loggedOut, logsOut: true })
      // One that came to its own end meanwhile has left its keys.
      await endSession(database, botId, loggedOut, true)
    } finally {
      leaving.delete(botId)
    }
  }

  const loop = startWorkLoop({ name: 'sessions', pollMs: limits.renewMs, log, work: tick })
  const deadline = setInterval(abandonOverdue, deadlineMs)
  return {
    get: botId => sessions.get(botId),
    find: botId => findSession(database, botId),
    get size() {
      return sessions.size
    },
    async connect(botId, phone) {
      const here = sessions.get(botId)
      if (here !== undefined) {
        await here.pairBy(phone)
        return here
      }
      return await claim(botId, phone)
    },
    async disconnect(botId, isLogout) {
      if (isLogout) return await logOut(botId)
      const session = sessions.get(botId)
      if (session === undefined) await endSession(database, botId, disconnected)
      else await session.end({ standstill: disconnected })
    },
    async stop() {
      isStopped = true
      await loop.stop()
      clearInterval(deadline)
      for (const session of sessions.values()) void session.end({ standstill: null })
      await Promise.all([...unended].map(session => session.ended))
    },
  }
}

/** What a standstill is to the adapter; null for one that it knows of. */
export function connectionOf({ state, reason }: Standstill): SessionConnection | null {
  return state === 'ended' ? null : { kind: state, reason }
}
