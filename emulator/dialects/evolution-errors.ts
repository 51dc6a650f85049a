import type { Answer, ReadSend, Refusal, RefusedAs } from '../read-send.ts'

const names: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
}

/** An error of Evolution API. `message` is a text, a list of them, a list of lists, or of objects, as it happens. */
export function evolutionError(status: number, message: unknown): Answer {
  return { status, body: { status, error: names[status] ?? 'Error', response: { message } } }
}

export const unauthorized = (): Answer => evolutionError(401, 'Unauthorized')

export const unknownInstance = (name: string): Answer => evolutionError(404, [`The "${name}" instance does not exist`])

export const notConnected = (name: string): Answer => badRequest(`The "${name}" instance is not connected`)

export const connectionClosed = (): Answer => badRequest('Error: Connection Closed')

export const badRequest = (message: string): Answer => evolutionError(400, [message])

/** What the schemas of the routes say, each issue in a list of its own kind. */
export const invalid = (issue: string): Answer => evolutionError(400, [[issue]])

export const notOnWhatsapp = (jid: string, number: string): Answer =>
  evolutionError(400, [{ jid, exists: false, number }])

export const unknownRoute = (path: string): Answer => evolutionError(404, [`Cannot find ${path.slice(0, 200)}`])

export function answered(answer: Answer): ReadSend {
  return { kind: 'answered', answer }
}

/** Evolution has no limits of its own: what WhatsApp refuses comes as the text that Baileys throws. */
export function refuseAtEvolution(refusal: Refusal): RefusedAs {
  return { kind: 'answered', answer: refusalAnswer(refusal) }
}

function refusalAnswer(refusal: Refusal): Answer {
  switch (refusal) {
    case 'throttled':
    case 'over_throughput':
    case 'over_pair_rate':
      return badRequest('Error: rate-overlimit')
    case 'failing':
      return evolutionError(500, 'Internal server error')
    case 'unavailable':
      return connectionClosed()
    case 'unauthorized':
      return unauthorized()
    case 'rejected':
      return notOnWhatsapp('0@s.whatsapp.net', '0')
  }
}

const licenseDocs = 'https://docs.evolutionfoundation.com.br/licensing'

/** What a server of version 2.4 answers to everything until its licence is activated. */
export function licenseRequired(serverUrl: string): Answer {
  const manager = `${serverUrl}/manager/login`
  const message = `This Evolution API instance is not activated. Open ${manager} to activate. Docs: ${licenseDocs}`
  return {
    status: 503,
    body: {
      ...{ error: 'service not activated', code: 'LICENSE_REQUIRED', register_url: manager },
      ...{ instance_id: 'emulated', docs_url: licenseDocs, message },
    },
  }
}
