import type { InboundContent, Referral } from '../../flow/content.ts'
import { REFERRAL_ID_LENGTH_MAX, REFERRAL_TEXT_LENGTH_MAX, URL_LENGTH_MAX } from '../../flow/limits.ts'

/** What a provider says of the ad or the post that led a customer here: texts, or nothing. */
type Told = {
  readonly sourceType: string | null | undefined
  readonly sourceId: string | null | undefined
  readonly sourceUrl: string | null | undefined
  readonly headline: string | null | undefined
  readonly body: string | null | undefined
  readonly clickId: string | null | undefined
}

/**
 * The ad or the post of a message, each text as long as it may be. Undefined where neither is named: previews of links come
 * in the same fields in places, without a source.
 */
export function referralOf(told: Told): Referral | undefined {
  const { sourceType, clickId } = told
  const isPost = sourceType === 'post'
  // Whoever clicked has a click id, whatever the source is called.
  if (!isPost && sourceType !== 'ad' && !clickId) return undefined
  return {
    source_type: isPost ? 'post' : 'ad',
    ...text('source_id', told.sourceId, REFERRAL_ID_LENGTH_MAX),
    ...text('source_url', told.sourceUrl, URL_LENGTH_MAX),
    ...text('headline', told.headline, REFERRAL_TEXT_LENGTH_MAX),
    ...text('body', told.body, REFERRAL_TEXT_LENGTH_MAX),
    ...text('click_id', clickId, REFERRAL_ID_LENGTH_MAX),
  }
}

function text<K extends string>(name: K, value: string | null | undefined, max: number): { [name in K]?: string } {
  // Object.fromEntries loses the key's name.
  return value ? (Object.fromEntries([[name, value.slice(0, max)]]) as { [name in K]?: string }) : {}
}

/** The content with where it came from, where it is one that says so. */
export function withReferral(content: InboundContent, referral: Referral | undefined): InboundContent {
  if (referral === undefined) return content
  const canSay = content.type === 'text' || content.type === 'choice' || 'media_id' in content
  return canSay ? { ...content, referral } : content
}
