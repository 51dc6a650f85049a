import { expect, test } from 'bun:test'
import { briefly, findingsIn, question } from './checking.fixture.ts'
import { flowOf } from './conversation.fixture.ts'

const buttons = (...titles: readonly string[]) => ({
  content: { type: 'buttons', text: '?', buttons: titles.map((title, index) => ({ id: `b${index}`, title })) },
})

test('a button that reads as a wish to be left alone is warned of, in whatever language', () => {
  for (const title of ['Alto', 'SAIR', 'Stop 🛑', 'Salir', 'Unsubscribe', 'Parar promoções']) {
    const findings = findingsIn(flowOf({ ask: question('x', 'end', buttons('Medio', title)) }))
    expect(findings).toMatchObject([
      { severity: 'warning', code: 'stop_title', path: 'steps.ask.content.buttons.1.title' },
    ])
    expect(findings[0]?.message).toContain(`"${title}"`)
  }
  expect(briefly({ ask: question('x', 'end', buttons('Alto y claro', 'Cancelar', 'Fin')) })).toEqual([])
})

test('so is a row, and what is computed is left to run time', () => {
  const list = (sections: unknown) => ({ content: { type: 'list', text: '?', button: 'b', sections } })
  expect(briefly({ ask: question('x', 'end', list([{ rows: [{ id: 'r', title: 'Baja' }] }])) })).toEqual([
    'warning steps.ask.content.sections.0.rows.0.title stop_title',
  ])
  const computed = '{{customer.variables.rows}}'
  expect(briefly({ ask: question('x', 'end', list([{ rows: computed }])) })).toEqual([])
  expect(briefly({ ask: question('x', 'end', list(computed)) })).toEqual([])
})
