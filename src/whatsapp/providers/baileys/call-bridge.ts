import * as v from 'valibot'
import type { BridgeAccess } from '../../provider.ts'
import { makePost, type Posted } from '../post.ts'
import { parseJson } from '../read-body.ts'

/** What is asked of the session of a bot: a POST where there is a body, else a GET. */
export type BridgeCall = { readonly path: string; readonly body?: object }

/** How a call ended; `starting`: there is no bridge yet; `impossible`: nor will there be, until a person acts. */
export type BridgeAnswer =
  | Posted
  | { readonly kind: 'starting' }
  | { readonly kind: 'impossible'; readonly reason: string }

export type BridgeCalls = {
  call(botId: string, call: BridgeCall, signal: AbortSignal): Promise<BridgeAnswer>
  /** The same for an answer that is a file. Null while the bridge starts. Rejects where it cannot be reached. */
  stream(botId: string, call: BridgeCall, signal: AbortSignal): Promise<Response | null>
  /** Gives the bridge that has the session a part of a file. */
  putPart(botId: string, name: string, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<BridgeAnswer>
}

const elsewhereSchema = v.object({ url: v.string() })

/** Bots whose bridge is another one, at hand. */
const elsewhereMax = 1_000

/** Asks the bridge that is at hand; where another one has a session, that one, on the same machine. */
export function makeBridgeCalls(bridge: BridgeAccess | undefined): BridgeCalls {
  const post = makePost()
  const elsewhere = new Map<string, string>()

  async function baseOf(botId: string): Promise<string | null> {
    return elsewhere.get(botId) ?? (await bridge?.url()) ?? null
  }

  function absent(): BridgeAnswer {
    const reason = bridge?.problem?.() ?? null
    return reason === null ? { kind: 'starting' } : { kind: 'impossible', reason }
  }

  /** What a bridge of ours wrote into the database: only bridges that show the token are asked. */
  function note(botId: string, body: unknown): string | null {
    const parsed = v.safeParse(elsewhereSchema, body)
    if (!parsed.success) return null
    if (elsewhere.size >= elsewhereMax) elsewhere.clear()
    elsewhere.set(botId, parsed.output.url)
    return parsed.output.url
  }

  async function ask(url: string, call: BridgeCall, signal: AbortSignal): Promise<Posted> {
    const headers = headersOf(bridge)
    if (call.body !== undefined) return await post(url, { headers, body: JSON.stringify(call.body), signal })
    try {
      const response = await fetch(url, { headers, signal, redirect: 'manual' })
      return { kind: 'answered', status: response.status, text: await response.text() }
    } catch (error) {
      return { kind: 'failed', error, tookNothing: true }
    }
  }

  async function callAt(base: string, botId: string, call: BridgeCall, signal: AbortSignal): Promise<Posted> {
    return await ask(urlOf(base, botId, call), call, signal)
  }

  /** Null where it is not known to be elsewhere, or that bridge is gone. */
  async function callElsewhere(botId: string, call: BridgeCall, signal: AbortSignal): Promise<Posted | null> {
    const other = elsewhere.get(botId)
    if (other === undefined) return null
    const answer = await callAt(other, botId, call, signal)
    if (answer.kind === 'answered' && answer.status !== 421) return answer
    elsewhere.delete(botId)
    return answer.kind === 'failed' && !answer.tookNothing ? answer : null
  }

  return {
    async call(botId, call, signal) {
      const known = await callElsewhere(botId, call, signal)
      if (known !== null) return known
      const base = (await bridge?.url()) ?? null
      if (base === null) return absent()
      const answer = await callAt(base, botId, call, signal)
      if (answer.kind !== 'answered' || answer.status !== 421) return answer
      const other = note(botId, parseJson(answer.text))
      return other === null ? answer : await callAt(other, botId, call, signal)
    },
    async stream(botId, call, signal) {
      const base = await baseOf(botId)
      if (base === null) return null
      const request = { method: 'POST', headers: headersOf(bridge), body: JSON.stringify(call.body), signal }
      const response = await fetch(urlOf(base, botId, call), request)
      if (response.status !== 421) return response
      const other = note(botId, await response.json())
      return other === null ? response : await fetch(urlOf(other, botId, call), request)
    },
    async putPart(botId, name, offset, bytes, signal) {
      const base = await baseOf(botId)
      if (base === null) return absent()
      try {
        const headers = { ...headersOf(bridge), 'content-type': 'application/octet-stream' }
        const url = `${base}/files/${name}?offset=${offset}`
        const response = await fetch(url, { method: 'PUT', headers, body: bytes.slice(), signal })
        return { kind: 'answered', status: response.status, text: await response.text() }
      } catch (error) {
        return { kind: 'failed', error, tookNothing: true }
      }
    },
  }
}

function urlOf(base: string, botId: string, { path }: BridgeCall): string {
  return `${base}/sessions/${encodeURIComponent(botId)}${path === '' ? '' : `/${path}`}`
}

function headersOf(bridge: BridgeAccess | undefined): Record<string, string> {
  return { authorization: `Bearer ${bridge?.token ?? ''}`, 'content-type': 'application/json' }
}
