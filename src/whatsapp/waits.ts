// How long messages wait for their bot, whichever part of a send finds that it cannot.

/** Of a bot that cannot send until somebody acts. */
export const heldMs = 60_000
/** Of a bot that is being checked: it may be a moment only. */
export const connectingMs = 5_000
