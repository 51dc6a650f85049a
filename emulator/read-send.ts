import type { BusinessNumber, ChatMessage, Content, Customer, Failure } from './records.ts'

/** An answer of a provider's API: its HTTP status and what is sent as JSON. */
export type Answer = { readonly status: number; readonly body: unknown }

/**
 * Why a send is not taken although it is right.
 * - `throttled`: too many requests. `over_throughput`: too many messages from the number. `over_pair_rate`: to one
 *   customer.
 * - `failing`: an error of the provider's own. `unavailable`: it is down for a while.
 * - `unauthorized`: the key is no longer good. `rejected`: this message never will be taken.
 */
export type Refusal =
  | 'throttled'
  | 'over_throughput'
  | 'over_pair_rate'
  | 'failing'
  | 'unavailable'
  | 'unauthorized'
  | 'rejected'

/** What a refusal is at a provider: an answer, or a message that is taken and fails later, or nothing at all. */
export type RefusedAs =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'fails'; readonly failure: Failure }
  | { readonly kind: 'taken' }

/** A message that a bot wants on a customer's phone. */
export type Draft = {
  readonly content: Content
  readonly replyTo?: string | null
  readonly callbackData?: string | null
  readonly callbackUrl?: string | null
  /** Known already that it will never arrive, and why. */
  readonly failure?: Failure | null
  /** What the provider does after its answer and before it sends: the content that comes of it, or why it fails. */
  readonly prepare?: () => Promise<Content | Failure>
}

/** What a dialect found in a request to its send API: answered by itself, or a message. */
export type ReadSend =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | {
      readonly kind: 'message'
      readonly number: BusinessNumber
      readonly customer: Customer
      readonly draft: Draft
      /** The answer to the message that came of it. */
      readonly answer: (message: ChatMessage) => Answer
    }

/** A request as it stands in the log: the number it is for, empty where none is known, and its body. */
export type Logged = { readonly number: string; readonly body: unknown }

/** Takes a request to a provider's send API: logs it, has the dialect read it, and does what was found. */
export type SendApi = (request: Request, logged: Logged, read: () => ReadSend | Promise<ReadSend>) => Promise<Response>
