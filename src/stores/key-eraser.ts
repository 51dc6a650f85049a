/**
 * Removes what the shared store keeps of a tenant besides the database: states of conversations, answers of the API,
 * figures. All of it is a copy that comes back by itself where there still is something to copy.
 */
export type KeyEraser = {
  /** The states of some conversations, and the answers that may show them. Rejects while the store is away. */
  eraseConversations(tenantId: string, conversationIds: readonly string[]): Promise<void>
  /** Every key with the tenant's id in its name. Returns how many. Rejects while the store is away. */
  eraseTenant(tenantId: string): Promise<number>
  close(): Promise<void>
}

/** For a single process, which shares nothing: what it keeps in its memory is nowhere else. */
export const nothingShared: KeyEraser = {
  eraseConversations: async () => undefined,
  eraseTenant: async () => 0,
  close: async () => undefined,
}
