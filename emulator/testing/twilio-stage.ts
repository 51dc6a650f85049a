import twilio from 'twilio'
import { type Arrived, customer, setAnyStage } from './any-stage.ts'

export const sid = 'AC00000000000000000000000000000001'
export const token = '0123456789abcdef0123456789abcdef'
export const authorization = { authorization: `Basic ${btoa(`${sid}:${token}`)}` }
export const to = `whatsapp:+${customer}`
export const from = 'whatsapp:+12025550100'
export const messages = `/twilio/2010-04-01/Accounts/${sid}/Messages`

/** A number of Twilio's, what its bot sends, and what comes to it. */
export async function setTwilioStage(fields: object = {}, options = {}) {
  const stage = await setAnyStage(
    webhookUrl => ({
      ...{ dialect: 'twilio', webhook_url: `${webhookUrl}hook?bot=b1`, account_sid: sid, auth_token: token },
      ...fields,
    }),
    options,
  )
  const callback = `${stage.webhookUrl}status?reference=msg_01`
  const form = (path: string, values: Record<string, string> | URLSearchParams, headers = authorization) =>
    stage.call('POST', path, new URLSearchParams(values).toString(), {
      ...{ 'content-type': 'application/x-www-form-urlencoded' },
      ...headers,
    })
  return {
    ...{ ...stage, callback, form },
    send: (values: Record<string, string>, headers = authorization) =>
      form(`${messages}.json`, { To: to, From: from, StatusCallback: callback, ...values }, headers),
    inbound: () => stage.arrived.filter(({ url }) => url.includes('/hook')),
    statuses: () => stage.arrived.filter(({ url }) => url.includes('/status')),
    get: (path: string, headers: Record<string, string> = authorization) => stage.call('GET', path, undefined, headers),
    content: (types: object, more: object = {}) =>
      stage.call(
        'POST',
        '/twilio/v1/Content',
        { language: 'en', friendly_name: 'test', types, ...more },
        authorization,
      ),
  }
}

/** Whether Twilio's own library takes the signature. */
export function isSigned({ url, headers, form }: Arrived): boolean {
  return twilio.validateRequest(token, headers['x-twilio-signature'] ?? '', url, form)
}
