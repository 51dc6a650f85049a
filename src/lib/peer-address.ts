/** What a request says of where it came from. */
export type Whence = {
  /** The other end of the connection. */
  readonly peer: string | undefined
  /** `X-Forwarded-For`, as it came. */
  readonly forwardedFor: string | undefined
}

/** The address of whoever asks: the connection's, or what a trusted proxy says. */
export function callerAddress({ peer, forwardedFor = '' }: Whence, trustedProxies: readonly string[]): string {
  const connected = plainAddress(peer ?? 'unknown')
  if (!trustedProxies.includes(connected)) return connected
  const forwarded = forwardedFor.split(',').map(part => plainAddress(part.trim()))
  // Each proxy appends whom it heard from: the last one that is no proxy of ours is the caller.
  return forwarded.findLast(address => address !== '' && !trustedProxies.includes(address)) ?? connected
}

/** An IPv4 address that arrived over an IPv6 socket, without its prefix. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').slice(0, 64)
}
