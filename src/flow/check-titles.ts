import type { FlowDocument } from './document.ts'
import { type Finding, warningAt } from './finding.ts'
import type { FlowContent } from './flow-content.ts'
import { isStopTitle } from './languages.ts'

/** A warning for each button and row that a customer cannot tell from asking for no more messages. */
export function checkTitles({ steps }: FlowDocument): readonly Finding[] {
  return Object.entries(steps).flatMap(([step, body]) =>
    body.type === 'message' || body.type === 'question'
      ? titlesOf(body.content).flatMap(({ field, title }) =>
          isStopTitle(title) ? [stopTitle(step, field, title)] : [],
        )
      : [],
  )
}

function stopTitle(step: string, field: string, title: string): Finding {
  const text =
    `who writes "${title}" anywhere else gets no more messages; here it is the answer. ` +
    'Choose another title, so that nobody is left alone, or written to, against their will'
  return warningAt({ step, field }, 'stop_title', text)
}

type Title = { readonly field: string; readonly title: string }

function titlesOf(content: FlowContent): readonly Title[] {
  if (content.type === 'buttons') return titlesIn(content.buttons, 'content.buttons')
  if (content.type !== 'list' || typeof content.sections === 'string') return []
  return content.sections.flatMap(({ rows }, index) => titlesIn(rows, `content.sections.${index}.rows`))
}

function titlesIn(list: readonly { readonly title: string }[] | string, field: string): readonly Title[] {
  if (typeof list === 'string') return []
  return list.map(({ title }, index) => ({ field: `${field}.${index}.title`, title }))
}
