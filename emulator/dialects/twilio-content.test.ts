import { expect, test } from 'bun:test'
import { say, until } from '../testing/stage.ts'
import { authorization, from, setTwilioStage } from '../testing/twilio-stage.ts'

const quickReply = {
  body: 'Hi {{1}}, keep the order?',
  actions: [
    { id: 'opt_yes', title: 'Yes' },
    { id: 'opt_no', title: 'No' },
  ],
}

test('buttons are a content template, filled in, and a tap brings its payload', async () => {
  await using stage = await setTwilioStage()
  await stage.write(say('hola'))
  const made = await stage.content(
    { 'twilio/quick-reply': quickReply, 'twilio/text': { body: 'Yes or no' } },
    { variables: { '1': 'you' } },
  )
  expect([made.status, made.body.sid]).toEqual([201, expect.stringMatching(/^HX[0-9a-f]{32}$/)])
  expect((await stage.get(`/twilio/v1/Content/${made.body.sid}`)).body).toEqual(made.body)
  const { body } = await stage.send({ ContentSid: made.body.sid, ContentVariables: '{"1":"Ada"}' })
  expect((await stage.chat()).at(-1).content).toEqual({
    type: 'buttons',
    text: 'Hi Ada, keep the order?',
    buttons: quickReply.actions,
  })
  await stage.write({ type: 'choice', id: 'opt_yes' })
  expect(stage.inbound().at(-1)?.form).toMatchObject({
    ...{ ButtonPayload: 'opt_yes', ButtonText: 'Yes', MessageType: 'interactive' },
    ...{ OriginalRepliedMessageSid: body.sid, OriginalRepliedMessageSender: from },
  })
})

test('a list is one too, and works in the window only', async () => {
  await using stage = await setTwilioStage()
  const items = [{ id: 'slot_morning', item: 'Morning', description: '09:00-12:00' }]
  const { sid: list } = (await stage.content({ 'twilio/list-picker': { body: 'Pick a slot', button: 'Slots', items } }))
    .body
  const approval = `/twilio/v1/Content/${list}/ApprovalRequests`
  await stage.call('POST', `${approval}/whatsapp`, { name: 'slots', category: 'UTILITY' }, authorization)
  expect((await stage.get(approval)).body.whatsapp.status).toBe('rejected')
  await stage.send({ ContentSid: list })
  await until(() => stage.statuses().length === 2)
  expect(stage.statuses().at(-1)?.form.ErrorCode).toBe('63016')
  await stage.write(say('hola'))
  await stage.send({ ContentSid: list })
  expect((await stage.chat()).at(-1).content).toEqual({
    ...{ type: 'list', text: 'Pick a slot', button: 'Slots' },
    sections: [{ rows: [{ id: 'slot_morning', title: 'Morning', description: '09:00-12:00' }] }],
  })
})

test('an approved template goes out of the window; without its variables it is refused', async () => {
  await using stage = await setTwilioStage()
  const { sid: template } = (await stage.content({ 'twilio/quick-reply': quickReply })).body
  const approval = `/twilio/v1/Content/${template}/ApprovalRequests`
  const request = { name: 'keep_order', category: 'UTILITY' }
  expect((await stage.call('POST', `${approval}/whatsapp`, request, authorization)).body.status).toBe('received')
  expect((await stage.get(approval)).body.whatsapp.status).toBe('approved')
  expect((await stage.send({ ContentSid: template })).body.code).toBe(21656)
  await stage.send({ ContentSid: template, ContentVariables: '{"1":"Ada"}' })
  await until(() => stage.statuses().length === 3)
  expect((await stage.chat())[0]).toMatchObject({
    ...{ status: 'delivered', content: { type: 'template', name: 'keep_order', parameters: ['Ada'] } },
  })
})

test.each([
  ['no types', {}],
  [
    'four buttons',
    { 'twilio/quick-reply': { body: 'x', actions: [1, 2, 3, 4].map(id => ({ id: `${id}`, title: `${id}` })) } },
  ],
  ['a long title', { 'twilio/quick-reply': { body: 'x', actions: [{ id: '1', title: 'x'.repeat(21) }] } }],
  [
    'eleven rows',
    {
      'twilio/list-picker': {
        body: 'x',
        button: 'b',
        items: Array.from({ length: 11 }, (_, id) => ({ id: `${id}`, item: 'x' })),
      },
    },
  ],
])('a content with %s is refused', async (_, types) => {
  await using stage = await setTwilioStage()
  const { status, body } = await stage.content(types)
  expect([status, body.code]).toEqual([400, 20001])
})

test('a content that was deleted is gone', async () => {
  await using stage = await setTwilioStage()
  const { sid: made } = (await stage.content({ 'twilio/text': { body: 'x' } })).body
  expect((await stage.call('DELETE', `/twilio/v1/Content/${made}`, undefined, authorization)).status).toBe(204)
  expect((await stage.get(`/twilio/v1/Content/${made}`)).body.code).toBe(20404)
  expect((await stage.send({ ContentSid: made })).body.code).toBe(21655)
})
