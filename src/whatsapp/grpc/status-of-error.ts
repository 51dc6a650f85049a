import { status } from '@grpc/grpc-js'
import { AppError, errorCatalogue } from '../../lib/errors.ts'

/** "Status codes and their use in gRPC" (grpc.io), for each HTTP status of the catalogue. */
const codes = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  405: status.UNIMPLEMENTED,
  409: status.FAILED_PRECONDITION,
  410: status.NOT_FOUND,
  412: status.FAILED_PRECONDITION,
  413: status.INVALID_ARGUMENT,
  415: status.INVALID_ARGUMENT,
  416: status.OUT_OF_RANGE,
  422: status.INVALID_ARGUMENT,
  426: status.UNIMPLEMENTED,
  429: status.RESOURCE_EXHAUSTED,
  500: status.INTERNAL,
  503: status.UNAVAILABLE,
} as const satisfies Record<AppError['status'], status>

/** It travels in a header of the answer, and those are small. */
const detailsLengthMax = 1_000

/** How a call that threw is answered: what is not of the catalogue tells nothing of the inside. */
export function statusOfError(error: unknown): {
  readonly code: status
  readonly details: string
  readonly errorCode: string
} {
  const known = error instanceof AppError ? error : new AppError('unexpected', 'It was logged under the request id.')
  const { title } = errorCatalogue[known.code]
  const fields = known.errors.map(({ path, message }) => `${path}: ${message}`)
  const details = `${title}. ${fields.length > 0 ? fields.join('; ') : known.message}`
  return { code: codes[known.status], details: details.slice(0, detailsLengthMax), errorCode: known.code }
}
