import type { Business, TextKind, WordKind } from './business.ts'
import { type InboundContent, wordsOf } from './content.ts'
import { WORD_MESSAGE_LENGTH_MAX } from './limits.ts'
import { foldWords } from './words.ts'

type Language = Business['language']

/**
 * The words that mean something wherever a conversation is, unless the business has its own. English ones to stop and to
 * start again are those that carriers and Twilio take ("Advanced Opt-Out", Twilio; "Required opt-out keywords", AWS End
 * User Messaging), but for CANCEL and REMOVE, which a customer says to a bot about an order. The Spanish and Portuguese
 * ones say the same.
 */
export const DEFAULT_WORDS: Readonly<Record<Language, Readonly<Record<WordKind, readonly string[]>>>> = {
  es: {
    menu: ['menú', 'menú principal', 'inicio', 'volver al menú'],
    cancel: ['cancelar', 'cancela', 'anular'],
    agent: [
      ...['agente', 'asesor', 'asesora', 'humano', 'persona', 'operador', 'operadora', 'atención al cliente'],
      ...['hablar con un agente', 'hablar con un asesor', 'hablar con una persona', 'hablar con alguien'],
    ],
    stop: [
      ...['baja', 'darme de baja', 'dar de baja', 'alto', 'parar', 'salir', 'stop'],
      ...['cancelar suscripción', 'anular suscripción', 'desuscribir', 'desuscribirme', 'no más mensajes'],
    ],
    start: ['alta', 'darme de alta', 'start', 'suscribir', 'suscribirme', 'reanudar'],
  },
  en: {
    menu: ['menu', 'main menu', 'start over'],
    cancel: ['cancel', 'never mind', 'nevermind'],
    agent: [
      ...['agent', 'human', 'person', 'operator', 'representative', 'customer service'],
      ...['talk to an agent', 'talk to a person', 'talk to a human', 'talk to someone'],
    ],
    stop: ['stop', 'stop all', 'stopall', 'unsubscribe', 'end', 'quit', 'opt out', 'optout', 'revoke'],
    start: ['start', 'unstop', 'subscribe', 'opt in', 'optin'],
  },
  pt: {
    menu: ['menu', 'menu principal', 'início', 'voltar ao menu'],
    cancel: ['cancelar', 'cancela', 'anular'],
    agent: [
      ...['atendente', 'humano', 'pessoa', 'operador', 'operadora', 'atendimento'],
      ...['falar com atendente', 'falar com um atendente', 'falar com uma pessoa', 'falar com alguém'],
    ],
    stop: [
      ...['sair', 'parar', 'stop', 'cancelar inscrição', 'descadastrar', 'desinscrever'],
      ...['não quero receber', 'não quero mais receber', 'não quero receber mensagens'],
    ],
    start: ['voltar', 'start', 'quero receber', 'inscrever', 'cadastrar'],
  },
}

/**
 * What stops and starts in every language, whatever the business says: nobody is kept in, or out. "Stop promotions" is the
 * quick reply that Meta puts below marketing templates, in the language of the template (Meta, "Marketing opt-out").
 */
const ALWAYS: Readonly<Record<WordKind, readonly string[]>> = {
  stop: [
    ...['stop', 'baja', 'alto', 'parar', 'sair'],
    ...['stop promotions', 'detener promociones', 'parar promoções'],
  ],
  start: ['start', 'alta'],
  menu: [],
  cancel: [],
  agent: [],
}

/** `{start}` and `{menu}` stand for the first such word; a sentence with one is left out where there is none. */
const DEFAULT_TEXTS: Readonly<Record<Language, Readonly<Record<TextKind, readonly string[]>>>> = {
  es: {
    cancelled: ['Listo, cancelado.', 'Escribe {menu} para empezar de nuevo.'],
    agent: ['Te paso con una persona del equipo.', 'Te responderá por aquí en cuanto pueda.'],
    stopped: ['Listo, no te enviaremos más mensajes.', 'Escribe {start} si quieres volver a recibirlos.'],
    started: ['Listo, volverás a recibir nuestros mensajes.'],
  },
  en: {
    cancelled: ['Done, cancelled.', 'Write {menu} to start again.'],
    agent: ['I am passing you on to someone of our team.', 'They will answer you here as soon as they can.'],
    stopped: ['Done, we will send you no more messages.', 'Write {start} if you want to receive them again.'],
    started: ['Done, you will receive our messages again.'],
  },
  pt: {
    cancelled: ['Pronto, cancelado.', 'Escreva {menu} para começar de novo.'],
    agent: ['Vou passar você para uma pessoa da equipe.', 'Ela responderá por aqui assim que puder.'],
    stopped: ['Pronto, não enviaremos mais mensagens.', 'Escreva {start} se quiser voltar a recebê-las.'],
    started: ['Pronto, você voltará a receber nossas mensagens.'],
  },
}

const KINDS: readonly WordKind[] = ['stop', 'start', 'menu', 'cancel', 'agent']

/** What a whole message means wherever a conversation is, case, accents and punctuation aside; null for any other. */
export function wordKindOf(business: Speaker, content: InboundContent): WordKind | null {
  const word = wordIn(content)
  return (word !== '' && KINDS.find(kind => isMeant(business, kind, word))) || null
}

/** What the business has the bot say of its own, or what its language says. */
export function textOf(business: Speaker & Pick<Business, 'texts'>, kind: TextKind): string {
  return business.texts[kind] ?? defaultText(business, kind)
}

/** A word of a business's own that is of another kind too, so that it can mean only one of them. */
export type WordClash = { readonly kind: WordKind; readonly index: number; readonly other: WordKind }

/**
 * What its own words clash with: with one another, with the language's where it has none of a kind, with those that hold
 * always. Of two of its own the one is told that would never be heeded.
 */
export function clashingWords({ language, words }: Pick<Speaker, 'language'> & { words: Words }): readonly WordClash[] {
  const isOf = (kind: WordKind, isHeededFirst: boolean, word: string) => {
    const own = isHeededFirst ? words[kind] : []
    const taken = words[kind] === undefined ? DEFAULT_WORDS[language][kind] : own
    return [...(taken ?? []), ...ALWAYS[kind]].some(other => foldWords(other) === foldWords(word))
  }
  return KINDS.flatMap((kind, place) =>
    (words[kind] ?? []).flatMap((word, index) => {
      const other = KINDS.find((one, otherPlace) => one !== kind && isOf(one, otherPlace < place, word))
      return other === undefined ? [] : [{ kind, index, other }]
    }),
  )
}

type Words = { readonly [K in WordKind]?: readonly string[] | undefined }

/** The part of a business that words and texts depend on. */
type Speaker = Pick<Business, 'language' | 'words'>

/** A message in folded words; empty for what is too long to be a word of anyone, and for what is no text. */
function wordIn(content: InboundContent): string {
  const text = content.type === 'text' || content.type === 'choice' ? wordsOf(content) : ''
  return text.length > WORD_MESSAGE_LENGTH_MAX ? '' : foldWords(text)
}

function isMeant({ language, words }: Speaker, kind: WordKind, word: string): boolean {
  const lists = [ALWAYS[kind], words[kind] ?? DEFAULT_WORDS[language][kind]]
  const forms = kind === 'stop' ? [word, withoutSymbols(word)] : [word]
  return lists.some(list => forms.some(form => foldedOf(list).has(form)))
}

/** "stop 🛑" asks for the same as "stop". */
function withoutSymbols(word: string): string {
  return foldWords(word.replace(/\p{S}+/gu, ' '))
}

/** Whether a title reads as a wish to be left alone, in whatever language. */
export function isStopTitle(title: string): boolean {
  const word = withoutSymbols(foldWords(title))
  return LANGUAGES.some(language => isMeant({ language, words: {} }, 'stop', word))
}

const LANGUAGES: readonly Language[] = ['es', 'en', 'pt']

// By the list itself: a business is kept as long as its settings stay the same, and its lists go with it.
const folded = new WeakMap<readonly string[], ReadonlySet<string>>()

function foldedOf(words: readonly string[]): ReadonlySet<string> {
  const known = folded.get(words)
  if (known !== undefined) return known
  const made = new Set(words.map(foldWords))
  folded.set(words, made)
  return made
}

function defaultText({ language, words }: Speaker, kind: TextKind): string {
  const named = (name: string) => {
    const word = isWordKind(name) ? ((words[name] ?? DEFAULT_WORDS[language][name])[0] ?? ALWAYS[name][0]) : undefined
    return word?.toUpperCase()
  }
  return DEFAULT_TEXTS[language][kind].flatMap(sentence => fill(sentence, named) ?? []).join(' ')
}

/** The sentence with its `{word}` filled in, null where there is none of that kind. */
function fill(sentence: string, named: (name: string) => string | undefined): string | null {
  const name = /\{(\w+)\}/.exec(sentence)?.[1]
  if (name === undefined) return sentence
  const word = named(name)
  return word === undefined ? null : sentence.replace(`{${name}}`, () => word)
}

function isWordKind(name: string): name is WordKind {
  return KINDS.some(kind => kind === name)
}
