import { Cluster, Redis } from 'ioredis'
import type { Log } from '../../lib/log.ts'
import type { Bus, Topic } from '../bus.ts'

const channelOf = (topic: Topic) => `dashoffice:${topic}`

/** The bus of several processes, over Redis publish and subscribe. Two connections: one may only listen. */
export function makeRedisBus(url: string, log: Log): Bus & { isReachable(): Promise<boolean> } {
  const publisher = connectRedis(url, log)
  const subscriber = connectRedis(url, log)
  const listeners = new Map<string, Set<(payload: string) => void>>()
  subscriber.on('message', (channel: string, payload: string) => {
    for (const listener of listeners.get(channel) ?? []) listener(payload)
  })
  // The client subscribes again only to what it was once subscribed to: not where Redis was away at the start.
  subscriber.on('ready', () => {
    for (const channel of listeners.keys()) subscriber.subscribe(channel).catch(() => undefined)
  })
  return {
    publish(topic, payload = '') {
      // Only a hint: without Redis the work is found a second later.
      publisher.publish(channelOf(topic), typeof payload === 'string' ? payload : payload()).catch(() => undefined)
    },
    subscribe(topic, listener) {
      const channel = channelOf(topic)
      const set = listeners.get(channel) ?? new Set()
      if (set.size === 0) subscriber.subscribe(channel).catch(() => undefined)
      listeners.set(channel, set.add(listener))
      return () => void set.delete(listener)
    },
    async isReachable() {
      return await publisher.ping().then(
        () => true,
        () => false,
      )
    },
    async close() {
      publisher.disconnect()
      subscriber.disconnect()
    },
  }
}

/** A client that fails fast while the server is away, comes back by itself, and subscribes again. */
export function connectRedis(url: string, log: Log, more: { readonly commandTimeout?: number } = {}): Redis | Cluster {
  const options = { enableAutoPipelining: true, maxRetriesPerRequest: 1, retryStrategy, ...more }
  const urls = url.split(',').map(part => part.trim())
  const client =
    urls.length > 1 ? new Cluster(urls, { redisOptions: options }) : new Redis(urls[0] ?? url, { ...options })
  let wasLost = false
  client.on('error', (error: Error) => {
    if (!wasLost) log.warn({ error: error.message }, 'Redis cannot be reached: trying again until it can')
    wasLost = true
  })
  client.on('ready', () => {
    if (wasLost) log.info('Redis can be reached again')
    wasLost = false
  })
  return client
}

function retryStrategy(tries: number): number {
  return Math.min(tries * 100, 2_000)
}
