import { Cluster, Redis } from 'ioredis'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Bus, Topic } from '../bus.ts'

const channelOf = (topic: Topic) => `dashoffice:${topic}`

type Channel = {
  readonly listeners: Set<(payload: string) => void>
  /** Whom to tell once what is published is heard; undefined: it is. */
  waiting: (() => void)[] | undefined
}

/** The bus of several processes, over Redis publish and subscribe. Two connections: one may only listen. */
export function makeRedisBus(url: string, log: Log): Bus & { isReachable(): Promise<boolean> } {
  const publisher = connectRedis(url, log)
  const subscriber = connectRedis(url, log)
  const channels = new Map<string, Channel>()
  subscriber.on('message', (name: string, payload: string) => {
    for (const listener of channels.get(name)?.listeners ?? []) listener(payload)
  })
  // The client subscribes again only to what it was once subscribed to: not where Redis was away at the start.
  subscriber.on('ready', () => {
    for (const [name, channel] of channels) listen(name, channel)
  })
  subscriber.on('close', () => {
    for (const channel of channels.values()) channel.waiting ??= []
  })

  function listen(name: string, channel: Channel): void {
    subscriber.subscribe(name).then(
      () => {
        const waiting = channel.waiting ?? []
        channel.waiting = undefined
        for (const tell of waiting) tell()
      },
      () => undefined,
    )
  }

  let unmade: { readonly name: string; readonly make: () => string }[] = []

  function send(name: string, payload: string): void {
    // Only a hint: without Redis the work is found a second later.
    publisher.publish(name, payload).catch(() => undefined)
  }

  /** One question for all that came together: what nobody hears costs neither its making nor a command of its own. */
  async function sendHeard(): Promise<void> {
    const asked = unmade
    unmade = []
    const names = [...new Set(asked.map(one => one.name))]
    // While Redis is away nobody hears; that it is, was logged.
    const heard = await findHeard(publisher, names).catch(() => new Set<string>())
    for (const { name, make } of asked) if (heard.has(name)) send(name, make())
  }

  return {
    publish(topic, payload = '') {
      const name = channelOf(topic)
      if (typeof payload === 'string') {
        send(name, payload)
        return
      }
      if (unmade.push({ name, make: payload }) > 1) return
      queueMicrotask(() =>
        sendHeard().catch((error: unknown) =>
          log.error({ error: messageOf(error) }, 'what is to be told cannot be made'),
        ),
      )
    },
    subscribe(topic, listener, onReady) {
      const name = channelOf(topic)
      const channel: Channel = channels.get(name) ?? { listeners: new Set(), waiting: [] }
      if (onReady !== undefined) {
        if (channel.waiting === undefined) onReady()
        else channel.waiting.push(onReady)
      }
      channel.listeners.add(listener)
      if (channels.get(name) !== channel) listen(name, channel)
      channels.set(name, channel)
      return () => {
        channel.listeners.delete(listener)
        if (channel.listeners.size > 0 || channels.get(name) !== channel) return
        channels.delete(name)
        subscriber.unsubscribe(name).catch(() => undefined)
      }
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

/** The channels that any process hears. A node of a cluster does not know of the others: there, all may be heard. */
async function findHeard(redis: Redis | Cluster, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (redis instanceof Cluster) return new Set(names)
  const counts = await redis.pubsub('NUMSUB', ...names)
  return new Set(names.filter((_name, index) => Number(counts[2 * index + 1]) > 0))
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
