import type { Business } from '../../src/flow/business.ts'
import type { InboundContent } from '../../src/flow/content.ts'
import type { ActionResult } from '../../src/flow/step.ts'

/** What happens next in a scripted conversation, `after_ms` after what happened last. */
export type Move = { readonly after_ms: number } & (
  | { readonly kind: 'message'; readonly content: InboundContent }
  /** The time of the waiting question is over; with a token, that of another one. */
  | { readonly kind: 'timer'; readonly token: string | null }
  /** The result of the call that is awaited; with a call_id, of another one. */
  | { readonly kind: 'result'; readonly result: ActionResult; readonly call_id: string | null }
  | { readonly kind: 'handoff'; readonly note: string; readonly agent_id: string }
  | { readonly kind: 'resume'; readonly agent_id: string; readonly step?: string }
  | { readonly kind: 'close'; readonly reason: string }
  | {
      readonly kind: 'agent_message'
      readonly agent_id: string | null
      readonly source: 'api' | 'phone'
      readonly takes_over: boolean
    }
  | { readonly kind: 'move'; readonly flow_id: string; readonly version: number }
)

/** A conversation to record. `bot`: the ids of the bot's flows, the main one first. */
export type Script = {
  readonly about: string
  readonly flows: readonly ScriptFlow[]
  readonly bot: readonly string[]
  readonly business?: Partial<Business>
  /** Whether free text goes only within 24 hours of what the customer wrote last. */
  readonly hasWindow?: boolean
  readonly moves: readonly Move[]
}

/** A document, published as the next version of `flow_id` before the move of that index: 0 before all. */
type ScriptFlow = { readonly flow_id: string; readonly before_move: number; readonly document: unknown }

const minuteMs = 60_000
const agent = '0198c0de-0000-7000-8000-0000000000a1'

const content = (given: InboundContent, after_ms = minuteMs): Move => ({ kind: 'message', content: given, after_ms })
const say = (text: string, after_ms?: number) => content({ type: 'text', text }, after_ms)
const tap = (id: string, title: string) => content({ type: 'choice', id, title })
const timeOut = (after_ms: number, token: string | null = null): Move => ({ kind: 'timer', token, after_ms })
const succeed = (value: Extract<ActionResult, { ok: true }>['value'], call_id: string | null = null): Move => {
  return { kind: 'result', result: { ok: true, value }, call_id, after_ms: 40 }
}
const failWith = (code: string, message: string): Move => {
  return { kind: 'result', result: { ok: false, code, message }, call_id: null, after_ms: 40 }
}
const takeOver = (note: string): Move => ({ kind: 'handoff', note, agent_id: agent, after_ms: minuteMs })
const giveBack = (): Move => ({ kind: 'resume', agent_id: agent, after_ms: minuteMs })
const close = (reason: string, after_ms = 24 * 60 * minuteMs): Move => ({ kind: 'close', reason, after_ms })

const reply = (more: { source?: 'api' | 'phone'; takes_over?: boolean } = {}): Move => {
  const { source = 'api', takes_over = false } = more
  return { kind: 'agent_message', agent_id: source === 'api' ? agent : null, source, takes_over, after_ms: minuteMs }
}
const giveBackAt = (step: string): Move => ({ kind: 'resume', agent_id: agent, step, after_ms: minuteMs })
const moveTo = (flow_id: string, version: number): Move => ({ kind: 'move', flow_id, version, after_ms: minuteMs })

const text = (words: string) => ({ type: 'text', text: words })
const message = (words: string, next = 'end') => ({ type: 'message', content: text(words), next })
const sells = (document: object): ScriptFlow => ({ flow_id: 'order', before_move: 0, document })

const order = {
  name: 'Order',
  start: 'welcome',
  triggers: [{ keywords: ['hola', 'pedido'] }],
  steps: {
    welcome: message('Hola {{customer.name}}', 'pick'),
    pick: {
      type: 'question',
      content: {
        type: 'list',
        text: 'Elige',
        button: 'Ver',
        sections: [
          {
            rows: "{{customer.variables.products.map(p, {'id': p.sku, 'title': p.name, 'description': money(p.price_minor, 'EUR')})}}",
          },
        ],
      },
      variable: 'product',
      timeout: { after: '30m', next: 'later' },
      next: 'count',
    },
    count: {
      type: 'question',
      content: text('¿Cuántos?'),
      variable: 'quantity',
      answer: { type: 'integer', min: 1, max: 99 },
      retry: { text: 'Un número del 1 al 99', limit: 2 },
      timeout: { after: '30m', next: 'later' },
      next: 'confirm',
    },
    confirm: {
      type: 'question',
      content: {
        type: 'buttons',
        text: '¿{{quantity}} de {{product}}?',
        buttons: [
          { id: 'yes', title: 'Sí' },
          { id: 'no', title: 'No' },
        ],
      },
      variable: 'sure',
      retry: { text: 'Toca un botón', limit: 1, next: 'later' },
      next: 'is_sure',
    },
    is_sure: { type: 'decision', condition: "sure == 'yes'", true: 'order', false: 'later' },
    order: {
      type: 'action',
      handler: 'order.create',
      input: { items: [{ product_id: '{{product}}', quantity: '{{quantity}}' }] },
      variable: 'order',
      next: 'bye',
      error: 'agent',
    },
    bye: message('Gracias, pedido {{order.number}} de {{money(order.total_minor, order.currency)}}'),
    later: message('Hasta luego'),
    agent: { type: 'handoff', note: 'No order: {{error.message}}' },
  },
}

const ask = (variable: string, answer: object | null, next: string) => ({
  type: 'question',
  ...{ content: text(`¿${variable}?`), variable, next },
  ...(answer && { answer, retry: { limit: 3 } }),
})

const form = {
  name: 'Form',
  start: 'nick',
  triggers: [{ fallback: true }],
  steps: {
    nick: ask('nick', { type: 'text', min: 2, max: 10 }, 'weight'),
    weight: ask('weight', { type: 'number', min: 0, max: 500 }, 'email'),
    email: ask('email', { type: 'email' }, 'phone'),
    phone: ask('phone', { type: 'phone', country_code: '34' }, 'size'),
    size: {
      type: 'question',
      content: {
        type: 'buttons',
        text: '¿Talla?',
        buttons: ['S', 'M', 'L'].map(title => ({ id: `size_${title.toLowerCase()}`, title })),
      },
      variable: 'size',
      next: 'sizes_done',
    },
    sizes_done: {
      type: 'decision',
      condition: "size == 'size_l' || weight > 100.0",
      true: 'large',
      false: 'small',
    },
    large: message('Grande para {{nick}}: {{email}}, {{phone}}'),
    small: message('Pequeña para {{nick}}: {{email}}, {{phone}}'),
  },
}

const parent = {
  name: 'Parent',
  start: 'call',
  triggers: [{ keywords: ['empezar'] }],
  steps: { call: { type: 'flow', flow: 'Child', next: 'told' }, told: message('{{city}}, {{street}}') },
}
const child = (question: string) => ({
  name: 'Child',
  start: 'city',
  steps: {
    city: { type: 'question', content: text(question), variable: 'city', next: 'street' },
    street: { type: 'flow', flow: 'Grandchild', next: 'end' },
  },
})
const grandchild = {
  name: 'Grandchild',
  start: 'street',
  steps: {
    street: { type: 'question', content: text('¿Calle?'), variable: 'street', next: 'done' },
    done: { type: 'end' },
  },
}

const one = (steps: Record<string, object>) =>
  sells({ name: 'Order', start: Object.keys(steps)[0], triggers: [{ fallback: true }], steps })

const call = (more: object = {}) => ({
  type: 'action',
  ...{ handler: 'http.request', input: { method: 'GET', url: 'https://example.com/{{message.text}}' } },
  ...{ variable: 'answer', next: 'told', ...more },
})

const retry = { limit: 3 }

const values = {
  name: 'Values',
  start: 'budget',
  triggers: [{ fallback: true }],
  steps: {
    budget: { ...ask('budget', { type: 'money', currency: 'EUR', min: 1000 }, 'day'), retry },
    day: { ...ask('day', { type: 'date', min: 'today' }, 'hour'), retry },
    hour: { ...ask('hour', { type: 'time' }, 'delivery'), retry },
    delivery: { ...ask('delivery', { type: 'datetime', min: 'now' }, 'place'), retry },
    place: { ...ask('place', { type: 'location' }, 'photo'), retry },
    photo: { ...ask('photo', { type: 'image' }, 'paper'), retry },
    paper: { ...ask('paper', { type: 'document' }, 'size'), retry },
    size: {
      type: 'decision',
      cases: [
        { condition: 'budget > 100000', next: 'large' },
        { condition: 'budget > 10000', next: 'middling' },
      ],
      else: 'small',
    },
    large: message('Grande'),
    middling: message('Mediano, el {{day}} a las {{hour}}'),
    small: message('Pequeño'),
  },
}

const waiting = {
  name: 'Waiting',
  start: 'ask',
  triggers: [{ keywords: ['recordar'] }],
  steps: {
    ask: ask('word', null, 'short'),
    short: { type: 'wait', for: '2h', next: 'remind', on_message: 'early' },
    early: message('Ya lo sé', 'late'),
    remind: message('Recuerda: {{word}}', 'late'),
    late: { type: 'wait', until: '17:00', next: 'past' },
    past: { type: 'wait', until: "{{now - duration('1h')}}", next: 'bye' },
    bye: message('Hasta luego'),
  },
}

const support = {
  name: 'Support',
  start: 'hello',
  triggers: [{ keywords: ['ayuda'] }],
  steps: {
    hello: message('Un momento', 'person'),
    person: {
      type: 'handoff',
      note: 'Ayuda para {{customer.name}}',
      next: 'rate',
      timeout: { after: '15m', next: 'nobody' },
      agent_timeout: { after: '10m', next: 'silent' },
    },
    nobody: message('Ahora no hay nadie', 'person_again'),
    person_again: { type: 'handoff', note: 'Otra vez', next: 'rate' },
    silent: message('Perdona la espera', 'rate'),
    rate: {
      type: 'question',
      content: {
        type: 'buttons',
        text: '¿Qué tal?',
        buttons: [
          { id: 'good', title: 'Bien' },
          { id: 'bad', title: 'Mal' },
        ],
      },
      variable: 'rating',
      next: 'thanks',
    },
    thanks: message('Gracias'),
  },
}

const menu = {
  name: 'Menu',
  start: 'offer',
  triggers: [
    { keywords: ['hola'], match: 'exact' },
    { fallback: true, hours: 'open' },
  ],
  steps: {
    offer: {
      type: 'message',
      content: {
        type: 'buttons',
        text: 'Elige',
        buttons: [
          { id: 'help_now', title: 'Ayuda ya' },
          { id: 'leave', title: 'Salir' },
        ],
      },
      next: 'end',
    },
  },
}
const help = {
  ...support,
  triggers: [{ buttons: ['help_*'] }, { keywords: ['ayuda'], match: 'starts' }],
}
const offers = {
  name: 'Offers',
  start: 'offer',
  triggers: [{ ads: ['ad-7'] }, { ads: true, hours: 'open' }, { fallback: true, hours: 'closed' }],
  steps: { offer: message('Oferta: {{message.referral == null ? "ninguna" : message.referral.headline}}') },
}

const week = [
  ['09:00', '14:00'],
  ['16:00', '20:00'],
] as const
const hours = { mon: week, tue: week, wed: week, thu: week, fri: week, sat: [], sun: [] }
const madrid = { name: 'Café Luna', time_zone: 'Europe/Madrid', country_code: '34', currency: 'EUR', hours }

const asking = (question: string, more: object = {}) => ({
  name: 'Order',
  start: 'ask',
  triggers: [{ fallback: true }],
  steps: {
    ask: { ...ask('word', null, 'done'), content: text(question), timeout: { after: '2h', next: 'done' } },
    done: message('{{word}}'),
    ...more,
  },
})

const hourMs = 60 * minuteMs
const ad = (source_id: string, headline: string) => ({ source_type: 'ad' as const, source_id, headline })

/** What `record.ts` can record, by name. A script is changed freely: what was recorded of it stays. */
const goalInChild = {
  name: 'Child',
  start: 'ask',
  goals: ['ask'],
  steps: {
    ask: ask('more', null, 'is_enough'),
    is_enough: { type: 'decision', condition: "more == 'sí'", true: 'end', false: 'ask' },
  },
}

const goalInParent = {
  name: 'Parent',
  start: 'call',
  goals: ['call', 'over'],
  triggers: [{ fallback: true }],
  steps: { call: { type: 'flow', flow: 'Child', next: 'over' }, over: { type: 'end' } },
}

export const scripts: Readonly<Record<string, Script>> = {
  'order-done': {
    about: 'An order from the first hello to its confirmation; the next message begins anew.',
    ...{ flows: [sells(order)], bot: ['order'] },
    moves: [
      say('Hola!'),
      tap('pizza', 'Pizza'),
      say('3'),
      tap('yes', 'Sí'),
      succeed({ id: 'o1', number: 17, total_minor: 3750, currency: 'EUR' }),
      say('gracias'),
      say('otro pedido'),
      say('agua'),
      close('silence'),
    ],
  },
  'order-retries': {
    about: 'Answers that are none, until a person is called; choices by words and by number.',
    ...{ flows: [sells(order)], bot: ['order'] },
    moves: [
      say('pedido'),
      say('sushi'),
      say('2'),
      say('muchas'),
      content({ type: 'image', media_id: 'media-1', mime_type: 'image/jpeg' }),
      say('100'),
      say('¿hola?'),
      giveBack(),
      say('pedido'),
      tap('flan', 'Flan'),
      say('1'),
      say('quizás'),
      say('tal vez'),
    ],
  },
  'order-timeouts': {
    about: 'Time runs out at a question; a timer of a question that was answered does nothing.',
    ...{ flows: [sells(order)], bot: ['order'] },
    moves: [
      say('hola'),
      timeOut(30 * minuteMs),
      say('hola'),
      tap('flan', 'Flan'),
      timeOut(30 * minuteMs, 'q2'),
      say('seis'),
      timeOut(30 * minuteMs),
      say('nada'),
    ],
  },
  'order-refused': {
    about: 'An action that fails goes to its error step, which hands over.',
    ...{ flows: [sells(order)], bot: ['order'] },
    moves: [
      say('hola'),
      tap('pizza', 'Pizza'),
      say('99'),
      say('si'),
      failWith('out_of_stock', 'There are 4 of "Pizza"'),
      say('¿y ahora?'),
      close('done', minuteMs),
    ],
  },
  answers: {
    about: 'Every kind of answer, first wrong and then right.',
    ...{ flows: [{ flow_id: 'form', before_move: 0, document: form }], bot: ['form'] },
    moves: [
      say('buenas'),
      say('A'),
      say('Ana María de la O'),
      say('Ana'),
      say('1.500'),
      say('72,5'),
      say('ana@'),
      say('ana@example.com'),
      say('quinientos'),
      say('0600 11 22 33'),
      content({ type: 'location', latitude: 40.4, longitude: -3.7 }),
      tap('size_xl', 'XL'),
      say('l'),
      say('2'),
    ],
  },
  'sub-flows': {
    about: 'Flows that call flows share their variables; a version that is published meanwhile is for the next call.',
    flows: [
      { flow_id: 'parent', before_move: 0, document: parent },
      { flow_id: 'child', before_move: 0, document: child('¿Ciudad?') },
      { flow_id: 'grandchild', before_move: 0, document: grandchild },
      { flow_id: 'child', before_move: 2, document: child('¿Qué ciudad?') },
      {
        flow_id: 'parent',
        before_move: 3,
        document: { ...parent, start: 'hi', steps: { ...parent.steps, hi: message('De nuevo', 'call') } },
      },
    ],
    bot: ['parent'],
    moves: [say('adiós'), say('empezar'), say('Vigo'), say('Príncipe 1'), say('empezar'), say('Lugo')],
  },
  'missing-sub-flow': {
    about: 'A flow that calls one that is not there fails, and a person is called.',
    ...{ flows: [{ flow_id: 'parent', before_move: 0, document: parent }], bot: ['parent'] },
    moves: [say('empezar'), say('¿?'), giveBack(), say('empezar')],
  },
  'person-in-between': {
    about: 'A person takes over at a question, and while a result is awaited; the bot goes on where it stood.',
    ...{ flows: [sells(order)], bot: ['order'] },
    moves: [
      say('hola'),
      takeOver('lo llevo yo'),
      say('pizza'),
      giveBack(),
      say('pizza'),
      say('2'),
      tap('yes', 'Sí'),
      takeOver('espera'),
      succeed({ id: 'o2', number: 18, total_minor: 2500, currency: 'EUR' }),
      say('¿hola?'),
      giveBack(),
      say('hola'),
      takeOver(''),
      close('agent', minuteMs),
    ],
  },
  'late-and-double': {
    about: 'Results and timers that nobody awaits any more do nothing; a closed conversation takes no answer.',
    ...{
      flows: [
        one({
          ask: ask('word', null, 'get'),
          get: call({ error: 'sorry' }),
          told: message('{{answer}}'),
          sorry: message('No: {{error.code}}'),
        }),
      ],
      bot: ['order'],
    },
    moves: [
      say('hola'),
      say('sol'),
      say('mientras'),
      succeed('luz', 'a99'),
      succeed('luz'),
      succeed('luz', 'a5'),
      say('otra vez'),
      say('mar'),
      failWith('timeout', 'No answer within 10 seconds'),
      close('done', minuteMs),
      say('tarde'),
      giveBack(),
      takeOver('tarde'),
    ],
  },
  'action-without-error-step': {
    about: 'An action that fails where no step takes that: the flow fails, and a person is called.',
    ...{ flows: [one({ get: call(), told: message('{{answer}}') })], bot: ['order'] },
    moves: [
      say('x'),
      failWith('http_500', 'The server answered 500'),
      giveBack(),
      say('y'),
      takeOver('yo'),
      failWith('http_500', 'The server answered 500'),
      giveBack(),
    ],
  },
  'expression-fails': {
    about: 'An expression that fails when it is run names its step and field.',
    flows: [
      one({
        ask: ask('n', { type: 'integer' }, 'divide'),
        divide: { type: 'decision', condition: '100 / n > 10', true: 'many', false: 'few' },
        many: message('Muchos'),
        few: message('Pocos: {{customer.variables.none}}'),
      }),
    ],
    bot: ['order'],
    moves: [say('a'), say('5'), say('b'), say('50'), giveBack(), say('c'), say('0')],
  },
  'endless-loop': {
    about: 'A loop that no question breaks is stopped.',
    flows: [
      one({
        a: { type: 'decision', condition: 'true', true: 'b', false: 'end' },
        b: { type: 'decision', condition: 'false', true: 'end', false: 'a' },
      }),
    ],
    bot: ['order'],
    moves: [say('a')],
  },
  'menu-by-number': {
    about: 'What a message offered last can be chosen by its number, though nothing is asked.',
    flows: [
      sells({
        name: 'Order',
        start: 'menu',
        triggers: [{ keywords: ['hola'] }, { keywords: ['Ver catálogo', 'Soporte'] }],
        steps: {
          menu: {
            type: 'message',
            content: {
              type: 'buttons',
              text: '¿Qué necesitas?',
              buttons: [
                { id: 'catalog', title: 'Ver catálogo' },
                { id: 'support', title: 'Soporte' },
              ],
            },
            next: 'end',
          },
        },
      }),
    ],
    bot: ['order'],
    moves: [say('2'), say('hola'), say('2'), tap('catalog', 'Ver catálogo'), say('3')],
  },
  'no-flow': {
    about: 'A bot whose flow is not there leaves the messages to people.',
    ...{ flows: [], bot: [] },
    moves: [say('hola'), takeOver(''), say('¿hay alguien?'), giveBack(), close('silence')],
  },
  'answers-of-values': {
    about: 'Money, dates, times, places and files as answers, in the time zone of the business; a decision with cases.',
    ...{ flows: [{ flow_id: 'values', before_move: 0, document: values }], bot: ['values'], business: madrid },
    moves: [
      say('hola'),
      say('gratis'),
      say('USD 300'),
      say('9,50 €'),
      say('1.250,50'),
      say('el viernes'),
      say('26/03/2026'),
      say('3 de abril'),
      say('17h30'),
      say('ayer 10:00'),
      say('27/03 10:00'),
      say('5 de abril 9h'),
      say('Calle Mayor 1'),
      content({ type: 'location', latitude: 40.4168, longitude: -3.7038, name: 'Sol' }),
      content({ type: 'document', media_id: 'media-2', mime_type: 'application/pdf', filename: 'plano.pdf' }),
      content({ type: 'image', media_id: 'media-3', mime_type: 'image/jpeg', caption: 'La sala' }),
      content({ type: 'document', media_id: 'media-4', mime_type: 'application/pdf', filename: 'contrato.pdf' }),
    ],
  },
  waits: {
    about:
      'A flow waits: for a time, until a clock strikes, not at all where the moment has passed; messages meanwhile.',
    flows: [
      { flow_id: 'waiting', before_move: 0, document: waiting },
      { flow_id: 'help', before_move: 0, document: help },
    ],
    ...{ bot: ['waiting', 'help'], business: madrid },
    moves: [
      say('recordar'),
      say('pan'),
      timeOut(2 * hourMs),
      say('nada'),
      timeOut(5 * hourMs),
      say('recordar'),
      say('leche'),
      say('ya voy'),
      say('ayuda, por favor'),
    ],
  },
  'person-and-back': {
    about: 'A hand-over that comes back: taken, answered, given back; the customer waits for an answer in between.',
    ...{ flows: [{ flow_id: 'support', before_move: 0, document: support }], bot: ['support'], business: madrid },
    moves: [
      say('ayuda'),
      say('¿hola?'),
      takeOver('voy'),
      reply(),
      say('no funciona'),
      say('¿sigues ahí?'),
      reply(),
      say('vale'),
      giveBack(),
      tap('good', 'Bien'),
      say('ayuda'),
      reply({ source: 'phone' }),
      giveBackAt('thanks'),
    ],
  },
  'person-too-late': {
    about: 'Nobody takes a conversation in time, an agent does not answer in time: by the step, and by the business.',
    flows: [{ flow_id: 'support', before_move: 0, document: support }],
    bot: ['support'],
    business: { ...madrid, handoff: { waiting_timeout_ms: 20 * minuteMs, agent_timeout_ms: 5 * minuteMs } },
    moves: [
      say('ayuda'),
      timeOut(15 * minuteMs),
      takeOver(''),
      say('¿hola?'),
      timeOut(10 * minuteMs),
      takeOver(''),
      giveBack(),
      say('2'),
      say('ayuda'),
      takeOver(''),
      say('¿hola?'),
      timeOut(10 * minuteMs),
      tap('bad', 'Mal'),
      takeOver('sin flujo'),
      say('¿?'),
      timeOut(5 * minuteMs),
      timeOut(20 * minuteMs),
    ],
  },
  'words-anywhere': {
    about: 'Menu, cancel and agent, wherever the conversation is; what a question offers goes before them.',
    flows: [
      { flow_id: 'menu', before_move: 0, document: menu },
      { flow_id: 'order', before_move: 0, document: { ...order, triggers: [{ keywords: ['pedido'] }] } },
    ],
    ...{ bot: ['menu', 'order'], business: madrid },
    moves: [
      say('cancelar'),
      say('pedido'),
      say('Menú'),
      say('pedido'),
      say('cancelar'),
      say('pedido'),
      say('pizza'),
      say('hablar con una persona'),
      say('cancelar'),
      giveBack(),
      say('2'),
      say('menu'),
      tap('leave', 'Salir'),
    ],
  },
  'left-alone': {
    about:
      'A customer who asks to be left alone is, whoever has the conversation, until they ask to be written to again.',
    ...{ flows: [{ flow_id: 'support', before_move: 0, document: support }], bot: ['support'], business: madrid },
    moves: [
      say('ayuda'),
      giveBack(),
      say('BAJA'),
      say('ayuda'),
      reply({ takes_over: true }),
      say('¿por qué?'),
      giveBack(),
      say('alta'),
      say('ayuda'),
      takeOver(''),
      say('stop'),
      say('start'),
      close('done'),
    ],
  },
  'several-flows': {
    about: 'A bot with several flows: by button, by advertisement, by exact words, open and closed.',
    flows: [
      { flow_id: 'menu', before_move: 0, document: menu },
      { flow_id: 'help', before_move: 0, document: help },
      { flow_id: 'offers', before_move: 0, document: offers },
    ],
    ...{ bot: ['menu', 'help', 'offers'], business: madrid },
    moves: [
      say('hola'),
      tap('help_now', 'Ayuda ya'),
      giveBack(),
      say('bien'),
      content({ type: 'text', text: 'info', referral: ad('ad-7', 'Verano') }),
      content({ type: 'text', text: 'info', referral: ad('ad-8', 'Invierno') }),
      say('qué tal'),
      say('qué tal', 12 * hourMs),
      content({ type: 'text', text: 'info', referral: ad('ad-8', 'Invierno') }),
    ],
  },
  'after-the-window': {
    about: 'Where the customer wrote last more than 24 hours ago, a template goes out in place of free text.',
    flows: [
      sells({
        name: 'Order',
        start: 'later',
        triggers: [{ fallback: true }],
        steps: {
          later: { type: 'wait', for: '2d', next: 'ask' },
          ask: {
            ...ask('word', null, 'done'),
            content: text('¿Sigues ahí?'),
            template: { type: 'template', name: 'still_there', language: 'es', parameters: ['{{customer.name}}'] },
          },
          done: message('{{word}}, {{window.open ? "abierta" : "cerrada"}}'),
        },
      }),
    ],
    ...{ bot: ['order'], business: madrid, hasWindow: true },
    moves: [say('hola'), timeOut(48 * hourMs), say('sí'), close('silence')],
  },
  'moved-to-another-version': {
    about: 'A run goes on in another version where its step is there, and in its own where it is not.',
    flows: [
      sells(asking('¿Palabra?')),
      { flow_id: 'order', before_move: 1, document: asking('¿Qué palabra?', { more: message('Más') }) },
      {
        flow_id: 'order',
        before_move: 2,
        document: { ...asking('¿?'), start: 'done', steps: { done: message('Fin') } },
      },
    ],
    bot: ['order'],
    moves: [
      say('a'),
      moveTo('order', 2),
      moveTo('order', 3),
      moveTo('order', 4),
      say(''),
      say('sol'),
      say('b'),
      moveTo('order', 1),
    ],
  },
  'run-taken-up-again': {
    about:
      'An agent has a run that had ended go on at a step, with what it knew; a step that is not there is left out.',
    ...{ flows: [sells(order)], bot: ['order'], business: madrid },
    moves: [
      say('pedido'),
      tap('pizza', 'Pizza'),
      say('nada'),
      say('nada'),
      say('nada'),
      takeOver('le ayudo'),
      reply(),
      giveBackAt('count'),
      say('1'),
      say('Sí'),
      succeed({ id: 'o3', number: 19, total_minor: 1250, currency: 'EUR' }),
      reply({ source: 'phone', takes_over: true }),
      giveBackAt('gone'),
    ],
  },
  goals: {
    about:
      'A flow has goals: an order that is made, a called flow that is through, a person who is called; what is come to twice counts twice.',
    flows: [
      sells({ ...order, goals: ['bye', 'agent'] }),
      { flow_id: 'child', before_move: 0, document: goalInChild },
      { flow_id: 'parent', before_move: 0, document: goalInParent },
    ],
    bot: ['order', 'parent'],
    moves: [
      say('hola'),
      tap('pizza', 'Pizza'),
      say('2'),
      say('Sí'),
      succeed({ id: 'o4', number: 20, total_minor: 2500, currency: 'EUR' }),
      say('cuéntame'),
      say('no'),
      say('sí'),
      say('hola'),
      tap('agua', 'Agua'),
      say('1'),
      say('Sí'),
      failWith('out_of_stock', 'There is no more'),
    ],
  },
}
