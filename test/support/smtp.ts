import type { Socket } from 'bun'

/** A mail as a server takes it. */
export type TakenMail = { readonly from: string; readonly to: readonly string[]; readonly data: string }

/** A mail server on the loopback (RFC 5321), that takes what it is told to. */
export type TestSmtp = {
  readonly port: number
  readonly taken: readonly TakenMail[]
  /** What it says to a receiver from now on, as in "550 No such mailbox"; null: takes it. */
  answerTo(address: string, reply: string | null): void
  /** Takes the next mails, and ends the connections without saying so. */
  hangUpAfter(mails: number): void
  /** The name and password that a client must have logged in with; null: nobody must. */
  login: { readonly name: string; readonly password: string } | null
  stop(): void
}

type Session = {
  buffer: string
  isData: boolean
  isLoggedIn: boolean
  from: string
  to: string[]
}

export function startTestSmtp(): TestSmtp {
  const taken: TakenMail[] = []
  const replies = new Map<string, string>()
  let hangUps = 0
  const say = (socket: Socket<Session>, line: string) => socket.write(`${line}\r\n`)

  function command(socket: Socket<Session>, line: string): void {
    const [verb = '', argument = ''] = [line.split(' ')[0]?.toUpperCase(), line.slice(line.indexOf(' ') + 1)]
    const address = /<([^>]*)>/.exec(argument)?.[1] ?? ''
    const session = socket.data
    if (verb === 'EHLO') say(socket, '250-smtp.test\r\n250-AUTH PLAIN\r\n250 8BITMIME')
    else if (verb === 'AUTH') logIn(socket, argument)
    else if (smtp.login !== null && !session.isLoggedIn && verb !== 'QUIT') say(socket, '530 5.7.0 Log in first')
    else if (verb === 'MAIL') {
      session.from = address
      session.to = []
      say(socket, '250 2.1.0 OK')
    } else if (verb === 'RCPT') {
      const reply = replies.get(address)
      if (reply === undefined) session.to.push(address)
      say(socket, reply ?? '250 2.1.5 OK')
    } else if (verb === 'DATA') {
      session.isData = true
      say(socket, '354 Go on')
    } else if (verb === 'QUIT') {
      say(socket, '221 2.0.0 Bye')
      socket.end()
    } else say(socket, '250 2.0.0 OK')
  }

  function logIn(socket: Socket<Session>, argument: string): void {
    const [, name, password] = Buffer.from(argument.split(' ')[1] ?? '', 'base64')
      .toString()
      .split('\0')
    socket.data.isLoggedIn = name === smtp.login?.name && password === smtp.login?.password
    say(socket, socket.data.isLoggedIn ? '235 2.7.0 Welcome' : '535 5.7.8 The password is wrong')
  }

  function take(socket: Socket<Session>, data: string): void {
    const { from, to } = socket.data
    // A line that begins with a full stop has another one before it (4.5.2).
    taken.push({ from, to, data: data.replaceAll(/^\.\./gm, '.') })
    socket.data.isData = false
    if (hangUps-- > 0) socket.terminate()
    else say(socket, '250 2.0.0 Taken')
  }

  const listener = Bun.listen<Session>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { buffer: '', isData: false, isLoggedIn: false, from: '', to: [] }
        say(socket, '220 smtp.test ready')
      },
      data(socket, chunk) {
        const session = socket.data
        session.buffer += chunk.toString('latin1')
        for (let end = 0; end >= 0; ) {
          const mark = session.isData ? '\r\n.\r\n' : '\r\n'
          end = session.buffer.indexOf(mark)
          if (end < 0) return
          const part = session.buffer.slice(0, end)
          session.buffer = session.buffer.slice(end + mark.length)
          if (session.isData) take(socket, part)
          else command(socket, part)
        }
      },
    },
  })
  const smtp: TestSmtp = {
    port: listener.port,
    taken,
    answerTo(address, reply) {
      if (reply === null) replies.delete(address)
      else replies.set(address, reply)
    },
    hangUpAfter(mails) {
      hangUps = mails
    },
    login: null,
    stop: () => listener.stop(true),
  }
  return smtp
}

/** The texts of a mail's parts, decoded, and its headers with their folded lines put together. */
export function readMail({ data }: TakenMail): { readonly headers: string; readonly parts: readonly string[] } {
  const [head = '', ...rest] = data.split('\r\n\r\n')
  const headers = head.replaceAll(/\r\n[ \t]+/g, ' ')
  const boundary = /boundary="([^"]+)"/.exec(headers)?.[1]
  const body = rest.join('\r\n\r\n')
  if (boundary === undefined) return { headers: decodeWords(headers), parts: [decodePart(headers, body)] }
  const parts = body.split(`--${boundary}`).slice(1, -1)
  return {
    headers: decodeWords(headers),
    parts: parts.map(part => {
      const at = part.indexOf('\r\n\r\n')
      return decodePart(part.slice(0, at), part.slice(at + 4).replace(/\r\n$/, ''))
    }),
  }
}

function decodePart(head: string, body: string): string {
  if (/transfer-encoding: base64/i.test(head)) return Buffer.from(body, 'base64').toString('utf8')
  if (!/transfer-encoding: quoted-printable/i.test(head)) return body
  const bytes = body
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** RFC 2047. */
function decodeWords(text: string): string {
  const joined = text.replaceAll(/\?=\s+=\?/g, '?==?')
  return joined.replaceAll(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_, kind, encoded) =>
    kind.toUpperCase() === 'B'
      ? Buffer.from(encoded, 'base64').toString('utf8')
      : decodePart('transfer-encoding: quoted-printable', encoded.replaceAll('_', ' ')),
  )
}
