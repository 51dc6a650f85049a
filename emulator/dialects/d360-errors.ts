import type { Answer, ReadSend } from '../read-send.ts'

let traces = 0

/**
 * What 360dialog answers by itself, before a request reaches the API behind it ("Errors" of its documentation). Errors
 * of that API are passed on as they are.
 */
export function gateAnswer(status: number, developerMessage: string): Answer {
  traces += 1
  const meta = {
    ...{ success: false, http_code: status, developer_message: developerMessage },
    '360dialog_trace_id': `emulated-${traces.toString(36).padStart(8, '0')}`,
  }
  return { status, body: { meta } }
}

export const invalidKey = (): Answer => gateAnswer(401, 'Invalid api_key')

export const unknownEndpoint = (path: string): Answer => gateAnswer(404, `There is no endpoint ${path}`)

/** Its rate limit of requests comes as HTTP 400, told by its text. */
export const overEndpointRate = (): Answer =>
  gateAnswer(400, 'You have exceeded the endpoint rate limit. Please try again later.')

/** After 20 downloads that failed within an hour, the endpoint is closed for half an hour. */
export const mediaBlocked = (): Answer =>
  gateAnswer(403, 'Too many failed media downloads. The endpoint is blocked for this number for 30 minutes.')

export const badGateway = (): Answer => gateAnswer(502, 'Bad gateway')

export function answered(answer: Answer): ReadSend {
  return { kind: 'answered', answer }
}
