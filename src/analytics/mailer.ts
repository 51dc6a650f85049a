import type { Config } from '../config.ts'
import { messageOf } from '../lib/errors.ts'

export type Mail = {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly attachment: { readonly filename: string; readonly content: string }
  /** The same for each try, so that a mail server or a reader knows a second copy by it: becomes the Message-ID. */
  readonly id: string
}

/**
 * How a try to send a mail ended. `refused`: for good, by what the server said of this mail or its receiver. `put_off`:
 * the server was not reached, or wants it later.
 */
export type MailSent = { readonly kind: 'sent' } | { readonly kind: 'refused' | 'put_off'; readonly message: string }

export type Mailer = { send(mail: Mail, signal: AbortSignal): Promise<MailSent> }

const timeoutMs = 20_000
const messageCharactersMax = 500
/** What is wrong is the setting or the way to the server, whatever code it says it with: not the mail. */
const ofTheServer: ReadonlySet<unknown> = new Set(['EAUTH', 'ENOAUTH', 'ETLS', 'EOAUTH2'])

/** Sends mail by the server of `SMTP_URL`; undefined where none is set. The library is loaded with the first mail. */
export function makeMailer(config: Pick<Config, 'SMTP_URL' | 'MAIL_FROM'>): Mailer | undefined {
  const { SMTP_URL: url, MAIL_FROM: from } = config
  if (url === undefined || from === undefined) return undefined
  return {
    async send({ to, subject, text, attachment, id }, signal) {
      const { createTransport } = await import('nodemailer')
      const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs }
      const transport = createTransport({ url, ...timeouts, disableFileAccess: true, disableUrlAccess: true })
      const attachments = [{ ...attachment, contentType: 'text/csv; charset=utf-8' }]
      const headers = { 'Auto-Submitted': 'auto-generated' }
      try {
        await transport.sendMail({
          ...{ from, to: { name: '', address: to }, subject, text, attachments, headers, signal },
          messageId: `<${id}@${domainOf(from)}>`,
        })
        return { kind: 'sent' }
      } catch (error) {
        return {
          kind: isForGood(error) ? 'refused' : 'put_off',
          message: messageOf(error).slice(0, messageCharactersMax),
        }
      } finally {
        transport.close()
      }
    },
  }
}

/** Of `a@shop.example`, or of `Shop <a@shop.example>`. */
function domainOf(address: string): string {
  return /@([^\s<>@]+)>?$/.exec(address)?.[1] ?? 'localhost'
}

/** 5yz is a "Permanent Negative Completion reply" (RFC 5321, 4.2.1). */
function isForGood(error: unknown): boolean {
  if (!(error instanceof Error) || ofTheServer.has(Reflect.get(error, 'code'))) return false
  return Number(Reflect.get(error, 'responseCode')) >= 500
}
