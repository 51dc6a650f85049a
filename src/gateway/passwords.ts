import * as v from 'valibot'
import { passwordLengthMin, weaknessOf } from '../identity/password-strength.ts'
import { invalid } from '../lib/check-fields.ts'
import { writtenAs } from './json-schema.ts'

/** A password that somebody chooses; `mustBeStrong` then holds it against what is known of them. */
export const newPassword = writtenAs(
  {
    type: 'string',
    format: 'password',
    minLength: passwordLengthMin,
    description:
      'At most 72 bytes; none that is tried first, no repetition or sequence, not the name or e-mail address',
  },
  v.pipe(
    v.string('Must be a text'),
    v.rawCheck(({ dataset, addIssue }) => {
      const weakness = dataset.typed ? weaknessOf(dataset.value) : null
      if (weakness !== null) addIssue({ message: weakness })
    }),
  ),
)

/** Throws `invalid`, naming the field, where a password is one that anyone who knows the person tries. */
export function mustBeStrong(path: string, password: string, about: readonly string[]): void {
  const weakness = weaknessOf(password, about)
  if (weakness !== null) throw invalid([{ path, message: weakness }])
}
