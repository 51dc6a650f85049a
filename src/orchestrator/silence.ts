/** A conversation in which nobody has written for this long is closed; the next message opens a new one. */
export const silenceMs = 24 * 3_600_000
