/** One of a tenant's resources, as in `products`: what is kept of it is dropped together. */
export type KeptResource = string

/** What came of counting one event. */
export type Taken = {
  readonly allowed: boolean
  /** How many more the window has. */
  readonly remaining: number
  /** When the window ends. */
  readonly resetMs: number
}

/** Where an answer is kept: under the resource that it shows, by whatever else it depends on. */
export type AnswerKey = { readonly tenantId: string; readonly resource: KeptResource; readonly field: string }

/** What an answer is kept under; `generation` is gone once the resource has changed. */
export type Miss = { readonly generation: string }

export type Admission = Taken & { readonly answer: string | null; readonly miss: Miss | null }

/**
 * Counts requests, and keeps answers for five minutes, for all processes together. Everything in it may be lost at any
 * moment. Counting is exact under concurrency: of `limit` + n events in one window, n are refused. An answer that was
 * read before its resource was dropped is never kept afterwards.
 */
export type RequestGate = {
  /** Counts a tenant's request in its minute and looks an answer up, in one round trip. Rejects while the store is away. */
  admit(request: {
    readonly tenantId: string
    readonly limit: number
    readonly answer: AnswerKey | null
  }): Promise<Admission>
  /** Counts one event under a key, of at most `limit` in a window. Rejects while the store is away. */
  take(key: string, limit: number, windowMs: number): Promise<Taken>
  /** Takes one count back, as far as the window still runs. */
  giveBack(key: string): Promise<void>
  /** Keeps an answer that was missed. Never waits, never fails. */
  keep(key: AnswerKey, miss: Miss, answer: string): void
  /**
   * Forgets what is kept of a tenant's resources. Resolves once no process can find it; where the store is away, at once.
   * Undefined where that is so already: dropping in this process costs no promise.
   */
  drop(tenantId: string, resources: readonly KeptResource[]): Promise<void> | undefined
  close(): Promise<void>
}

export const limitWindowMs = 60_000
export const answerKeptMs = 300_000
/** Answers of one tenant's resource: more are not kept. */
export const answersMax = 500
/** Longer ones are not kept. */
export const answerCharactersMax = 256 * 1024
