import { join } from 'node:path'

const client = join(import.meta.dirname, 'grpc-client.mjs')

export type Metadata = Readonly<Record<string, string>>

/** A call of a method; of the service `dashoffice.v1.WhatsApp` unless another is named. */
export type GrpcCall = {
  readonly service?: string
  readonly method: string
  readonly request: object
  readonly metadata?: Metadata
  readonly deadlineMs?: number
  /** Called with each message of a stream, as it comes. */
  readonly onMessage?: (message: Record<string, unknown>) => void
}

/** What came of it. */
export type GrpcAnswer = {
  readonly code: string
  readonly details: string
  readonly trailers: Readonly<Record<string, string>>
  /** The answer, or each of a stream. */
  readonly responses: readonly Readonly<Record<string, unknown>>[]
}

export type GrpcClient = {
  call(call: GrpcCall): Promise<GrpcAnswer>
  stop(): Promise<void>
}

type Waiting = { readonly onMessage: GrpcCall['onMessage']; readonly resolve: (answer: GrpcAnswer) => void }

/** A client in a process of Node's, with connections of its own. */
export function startGrpcClient(address: string): GrpcClient {
  const node = Bun.which('node')
  if (node === null) throw new Error('The client of gRPC takes Node, as installing the project does')
  const child = Bun.spawn([node, client, address], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' })
  const waiting = new Map<number, Waiting>()
  let last = 0
  const reading = readLines(child.stdout, line => {
    const { id, partial, ...answer } = JSON.parse(line)
    if (partial !== undefined) return waiting.get(id)?.onMessage?.(partial)
    waiting.get(id)?.resolve(answer)
    waiting.delete(id)
  })
  return {
    async call({ service = 'dashoffice.v1.WhatsApp', method, request, metadata = {}, deadlineMs, onMessage }) {
      const { promise, resolve } = Promise.withResolvers<GrpcAnswer>()
      waiting.set(++last, { onMessage, resolve })
      const line = { id: last, service, method, request, metadata, deadline_ms: deadlineMs }
      child.stdin.write(`${JSON.stringify(line)}\n`)
      child.stdin.flush()
      return await promise
    },
    async stop() {
      child.stdin.end()
      await child.exited
      await reading
    },
  }
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
}
