import type { WebhookAnswer } from '../webhook-event.ts'

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * What Twilio makes of the answer to an incoming message ("Twilio's request to your application" of its documentation):
 * a text is sent to the customer as it is, TwiML says what to send, and anything else is an error in the console.
 */
export function answeredText({ ok, contentType, text }: WebhookAnswer): {
  reply: string | null
  problem: string | null
} {
  if (!ok) return { reply: null, problem: '11200: the answer is not 2xx' }
  if (text.trim() === '') return { reply: null, problem: null }
  if (contentType === 'text/plain' || contentType === 'text/html') return { reply: text, problem: null }
  if (/^(text|application)\/xml$/.test(contentType)) return readTwiml(text)
  return { reply: null, problem: `12300: the answer's Content-Type ${contentType} is not one that Twilio reads` }
}

function readTwiml(text: string): { reply: string | null; problem: string | null } {
  const xml = text.replace(/^\s*<\?xml[^>]*\?>/, '').trim()
  if (!/^<Response\s*\/>$|^<Response\s*>[\s\S]*<\/Response\s*>$/.test(xml)) {
    return { reply: null, problem: '12100: the answer is not a TwiML <Response>' }
  }
  const messages = [...xml.matchAll(/<Message\b[^>]*>([\s\S]*?)<\/Message>/g)].map(([, inside = '']) => inside)
  const texts = messages.map(inside => plain(/<Body\b[^>]*>([\s\S]*?)<\/Body>/.exec(inside)?.[1] ?? inside))
  const reply = texts.filter(Boolean).join('\n')
  return { reply: reply === '' ? null : reply, problem: null }
}

function plain(xml: string): string {
  return xml
    .replace(/<[^>]*>/g, '')
    .replace(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)
    .trim()
}
