import type { OutboundContent } from '../../../flow/content.ts'
import type { MessageError } from '../../../messaging/status.ts'
import type { OutboundFile } from '../../provider.ts'
import { type ContentTemplate, contentTemplate } from './content-template.ts'

/**
 * What a content becomes: fields of the form that a message is made by; a template that has to be made before, where it
 * has buttons or a list; or the reason why Twilio has no way to send it.
 */
export type Form =
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: 'template'; readonly template: ContentTemplate }
  | { readonly kind: 'impossible'; readonly error: MessageError }

type File = { readonly url?: string | undefined; readonly caption?: string | undefined }
type ContentOf<Type extends OutboundContent['type']> = Extract<OutboundContent, { type: Type }>

/** A content as Twilio takes it (twilio.com/docs/messaging/api/message-resource, "Create a Message"). */
export function formOf(content: OutboundContent, file: OutboundFile | null): Form {
  switch (content.type) {
    case 'text':
      return fieldsOf({ Body: content.text })
    case 'buttons':
    case 'list':
      return { kind: 'template', template: contentTemplate(content) }
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
    case 'sticker':
      return fileForm(content, file)
    case 'location':
      return locationForm(content)
    case 'template':
      return templateForm(content)
    case 'contacts':
    case 'reaction':
      return impossible('unsupported', `Twilio has no way to send ${content.type}.`)
  }
}

function fieldsOf(fields: Readonly<Record<string, string>>): Form {
  return { kind: 'fields', fields }
}

function impossible(code: string, message: string): Form {
  return { kind: 'impossible', error: { code, message } }
}

/**
 * Twilio fetches files itself. It takes neither a caption nor a name for a document ("Guidance on WhatsApp media
 * messages"); what there is of a caption is sent all the same, for the day when it does.
 */
function fileForm({ url, caption }: File, file: OutboundFile | null): Form {
  const address = file?.link ?? url
  if (address === undefined)
    return impossible('no_file', 'Twilio sends a file by its address only: give its url, or the id of one kept here.')
  return fieldsOf({ MediaUrl: address, ...(caption !== undefined && { Body: caption }) })
}

/** The Body is the name, and what stands behind the coordinates is shown below it ("Location messages with WhatsApp"). */
function locationForm({ latitude, longitude, name, address }: ContentOf<'location'>): Form {
  const point = `${decimal(latitude)},${decimal(longitude)}`
  const label = name === undefined || address === undefined ? '' : `|${address}`
  return fieldsOf({ Body: name ?? address ?? point, PersistentAction: `geo:${point}${label}` })
}

/** To about a centimetre, and never with an exponent. */
function decimal(degrees: number): string {
  return degrees.toFixed(7).replace(/\.?0+$/, '')
}

/** A template of Twilio's has one language and is named by its Content SID; parameters are numbered from 1. */
function templateForm({ name, parameters }: ContentOf<'template'>): Form {
  if (!/^HX[0-9a-fA-F]{32}$/.test(name))
    return impossible('not_a_content_sid', 'At Twilio a template is named by its Content SID: HX and 32 digits.')
  const variables = Object.fromEntries(parameters.map((parameter, index) => [String(index + 1), parameter]))
  return fieldsOf({
    ContentSid: name,
    ...(parameters.length > 0 && { ContentVariables: JSON.stringify(variables) }),
  })
}
