import type { TextKind } from './business.ts'
import { type Call, emit, topFrame } from './call.ts'
import type { CompiledContent, CompiledQuestion, Sent } from './compile.ts'
import type { OutboundContent } from './content.ts'
import type { Choice } from './events.ts'
import { ExpressionError } from './expression.ts'
import { fitContent } from './fit-content.ts'
import { textOf } from './languages.ts'
import { isWindowOpen } from './scope.ts'
import { renderTemplate } from './template.ts'

/** Sends what expects no answer. Throws ExpressionError. */
export function reply(call: Call, step: string, sent: Sent): void {
  const content = contentToSend(call, sent)
  const choices = offered(content)
  const data = { step, flow_id: topFrame(call)?.flow_id ?? '', ...(choices.length > 0 && { choices }) }
  emit(call, { type: 'replied', data })
  call.effects.push({ kind: 'send', content, step })
}

/** Asks a question for the first time. Throws ExpressionError. */
export function ask(call: Call, step: string, question: CompiledQuestion): null {
  const content = contentToSend(call, question)
  const choices = choicesOf(call, question, content)
  const data = {
    step,
    token: `q${call.state.seq}`,
    ...(choices.length > 0 && { choices }),
    ...(question.timeout && { timeout_ms: question.timeout.after_ms }),
  }
  emit(call, { type: 'question.asked', data })
  call.effects.push({ kind: 'send', content, step })
  return null
}

/** Asks a waiting question again with its own content or another one. Throws ExpressionError. */
export function askAgain(call: Call, step: string, attemptNumber: number, sent: Sent): null {
  const content = contentToSend(call, sent)
  const choices = choicesOf(call, sent, content)
  const data = { step, attempt: attemptNumber, token: `q${call.state.seq}`, ...(choices.length > 0 && { choices }) }
  emit(call, { type: 'question.repeated', data })
  call.effects.push({ kind: 'send', content, step })
  return null
}

/** Sends a text of the business itself. `isConsent`: whoever asked to be left alone gets it too. */
export function notify(call: Call, notice: TextKind, isConsent = false): void {
  emit(call, { type: 'notice.sent', data: { notice } })
  const content = { type: 'text', text: textOf(call.context.business, notice) } as const
  call.effects.push({ kind: 'send', content, step: null, ...(isConsent && { consent: true }) })
}

/** The content, or the template in its place where only templates may be sent. */
function contentToSend(call: Call, { content, template }: Sent): OutboundContent {
  return renderContent(call, template === null || isWindowOpen(call.context) ? content : template)
}

/** What a question takes, which is in its content even where a template is sent. */
function choicesOf(call: Call, { content }: Sent, sent: OutboundContent): readonly Choice[] {
  return offered(sent.type === 'template' ? renderContent(call, content) : sent)
}

function offered(content: OutboundContent): readonly Choice[] {
  if (content.type === 'buttons') return content.buttons
  if (content.type !== 'list') return []
  return content.sections.flatMap(section => section.rows.map(({ id, title }) => ({ id, title })))
}

function renderContent(call: Call, compiled: CompiledContent): OutboundContent {
  if (compiled.fixed !== null) return compiled.fixed
  const fitted = fitContent(renderTemplate(compiled.template, call.scope))
  if ('content' in fitted) return fitted.content
  throw new ExpressionError(fitted.path === '' ? compiled.field : `${compiled.field}.${fitted.path}`, fitted.problem)
}
