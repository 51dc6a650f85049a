import { encryptionKey } from './seed.ts'

/** What may stand in no log: the secrets that the tests use, and what looks like one that the program makes. */
const secrets: readonly RegExp[] = [
  new RegExp(encryptionKey.replace(/[^\w]/g, '\\$&')),
  /an-encryption-key-for-tests-of-32-bytes/,
  // Of bots, as the tests make them.
  /\b(?:token|secret|verify)-\d{6,}\b/,
  /\b(?:d360|legacy|evolution)-\d{6,}\b/,
  /\b(?:webhook|app)-(?:secret|token)\b/,
  /\b0123456789abcdef0123456789abcdef\b/,
  // Of tenants: what flows send, and what webhooks are signed by.
  /\bsk_live_\w{4,}/,
  /\bwhsec_[A-Za-z0-9+/]{8,}/,
  // Access tokens, hashes of passwords, keys of sessions, codes that pair.
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
  /\$2[aby]\$\d\d\$/,
  /\bpriv(?:ate)?_?key\b/i,
  /linked_devices#/,
  /postgres(?:ql)?:\/\/[^\s/:@]+:[^\s@]+@/,
]

/** The first secret in a text; undefined where there is none. */
export function findSecret(text: string): string | undefined {
  for (const secret of secrets) {
    const found = secret.exec(text)
    if (found !== null) return found[0]
  }
  return undefined
}
