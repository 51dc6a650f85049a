import * as v from 'valibot'

const settingsSchema = v.object({
  rejectCall: v.optional(v.boolean(), false),
  msgCall: v.optional(v.string(), ''),
  groupsIgnore: v.optional(v.boolean(), false),
  alwaysOnline: v.optional(v.boolean(), false),
  readMessages: v.optional(v.boolean(), false),
  readStatus: v.optional(v.boolean(), false),
  syncFullHistory: v.optional(v.boolean(), false),
  wavoipToken: v.optional(v.string(), ''),
})

export type Settings = v.InferOutput<typeof settingsSchema>

/** The settings among other fields; what is not given is off, and what is no setting's value too. */
export function readSettings(input: unknown): Settings {
  const parsed = v.safeParse(settingsSchema, input)
  return parsed.success ? parsed.output : v.getDefaults(settingsSchema)
}

/** Settings as they are shown, whatever is kept of them. */
export function shownSettings(kept: unknown): Settings {
  return readSettings(kept)
}

export const settingsInput = v.object({
  rejectCall: v.boolean(),
  msgCall: v.optional(v.string(), ''),
  groupsIgnore: v.boolean(),
  alwaysOnline: v.boolean(),
  readMessages: v.boolean(),
  readStatus: v.boolean(),
  syncFullHistory: v.boolean(),
  wavoipToken: v.optional(v.string(), ''),
})
