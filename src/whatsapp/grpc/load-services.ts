import { join } from 'node:path'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'

const protoDir = join(import.meta.dirname, '../../../proto')

/** Reads the services of this server from their files in proto/. */
export function loadServices(): PackageDefinition {
  return loadSync(['dashoffice/v1/whatsapp.proto', 'grpc/health/v1/health.proto'], {
    includeDirs: [protoDir],
    keepCase: true,
    enums: String,
    longs: Number,
    // A field that was left out has its default, as the language says; what is `optional` or of a `oneof` is not there.
    defaults: true,
    oneofs: false,
  })
}

/** One of them, by its full name. */
export function serviceIn(services: PackageDefinition, name: string): ServiceDefinition {
  const definition = services[name]
  if (definition === undefined || 'format' in definition) throw new Error(`There is no service ${name} in proto/`)
  return definition
}
