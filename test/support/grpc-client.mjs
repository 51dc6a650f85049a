// A client of the adapter's gRPC, run by Node: it knows nothing of ours but the files in proto/. Reads calls as JSON lines
// from stdin, `{id, service, method, request, metadata, deadline_ms}`, and writes what came of each as a line to stdout.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const reflection = dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json'))
const includeDirs = [join(dirname(fileURLToPath(import.meta.url)), '../../proto'), join(reflection, 'build/proto')]
const definitions = loadSync(
  [
    'dashoffice/v1/whatsapp.proto',
    'grpc/health/v1/health.proto',
    'grpc/reflection/v1/reflection.proto',
    'grpc/reflection/v1alpha/reflection.proto',
  ],
  { includeDirs, keepCase: true, enums: String, longs: Number, bytes: String },
)
const [address] = process.argv.slice(2)
const clients = new Map()

for await (const line of createInterface({ input: process.stdin })) start(JSON.parse(line))
for (const client of clients.values()) client.close()

function start({ id, service, method, request, metadata, deadline_ms }) {
  const client = clientOf(service)
  const given = new grpc.Metadata()
  for (const [name, value] of Object.entries(metadata)) given.add(name, value)
  const options = deadline_ms === undefined ? {} : { deadline: Date.now() + deadline_ms }
  const definition = definitions[service][method]
  const responses = []
  if (!definition.requestStream && !definition.responseStream) {
    const call = client[method](request, given, options, (_error, response) => responses.push(response))
    call.on('status', status => write(id, status, responses))
    return
  }
  const call = definition.requestStream ? client[method](given, options) : client[method](request, given, options)
  call.on('data', response => {
    responses.push(response)
    process.stdout.write(`${JSON.stringify({ id, partial: response })}\n`)
  })
  call.on('error', () => undefined)
  call.on('status', status => write(id, status, responses))
  if (definition.requestStream) {
    call.write(request)
    call.end()
  }
}

function clientOf(service) {
  if (!clients.has(service)) {
    const Client = grpc.makeGenericClientConstructor(definitions[service], service)
    clients.set(service, new Client(address, grpc.credentials.createInsecure()))
  }
  return clients.get(service)
}

function write(id, { code, details, metadata }, responses) {
  const trailers = metadata.getMap()
  // The status may be told before the answer that came with it.
  setImmediate(() => {
    const line = { id, code: grpc.status[code], details, trailers, responses: responses.filter(Boolean) }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  })
}
