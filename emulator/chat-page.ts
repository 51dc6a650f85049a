import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The chat page from memory. It may run its own script and style, and talk to this emulator: nothing else. */
export function chatPage(): () => Response {
  const html = readFileSync(join(import.meta.dirname, 'chat.html'), 'utf8')
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(html, 'script')}`,
    // Heights and colours are set from the script, which needs no permission here.
    `style-src ${hashOf(html, 'style')}`,
    "connect-src 'self'",
    "img-src 'self' data:",
    "media-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
  }
  return () => new Response(html, { headers })
}

function hashOf(html: string, tag: 'script' | 'style'): string {
  const inside = new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`).exec(html)?.[1] ?? ''
  return `'sha256-${new Bun.CryptoHasher('sha256').update(inside).digest('base64')}'`
}
