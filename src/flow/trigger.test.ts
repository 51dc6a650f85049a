import { describe, expect, test } from 'bun:test'
import { compileFlow } from './compile.ts'
import type { FlowDocument } from './document.ts'
import { matchTrigger } from './trigger.ts'

const flowWith = (triggers: FlowDocument['triggers']) =>
  compileFlow({ name: 'x', start: 'a', triggers, steps: { a: { type: 'end' } } })
const match = (triggers: FlowDocument['triggers'], text: string) =>
  matchTrigger(flowWith(triggers), { type: 'text', text })

describe('a trigger', () => {
  test('is a keyword that stands in the message as whole words', () => {
    expect(match([{ keywords: ['Menú', 'hacer pedido'] }], 'Quiero HACER un pedido')).toBeNull()
    expect(match([{ keywords: ['Menú', 'hacer pedido'] }], 'quiero hacer  pedido!')).toBe('hacer pedido')
    expect(match([{ keywords: ['Menú'] }], 'el MENU')).toBe('menu')
    expect(match([{ keywords: ['menu'] }], 'menudo')).toBeNull()
  })

  test('is the fallback only when no keyword is there', () => {
    const triggers = [{ fallback: true as const }, { keywords: ['hola'] }]
    expect(match(triggers, 'hola')).toBe('hola')
    expect(match(triggers, 'adios')).toBe('fallback')
    expect(match([], 'hola')).toBeNull()
  })

  test('reads a caption and a tapped title, and takes anything as fallback', () => {
    const flow = flowWith([{ keywords: ['hola'] }, { fallback: true }])
    expect(matchTrigger(flow, { type: 'choice', id: 'x', title: 'Hola' })).toBe('hola')
    const photo = { type: 'image', media_id: '1', mime_type: 'image/png' } as const
    expect(matchTrigger(flow, { ...photo, caption: 'hola!' })).toBe('hola')
    expect(matchTrigger(flow, photo)).toBe('fallback')
  })
})
