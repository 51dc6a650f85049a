export const passwordLengthMin = 10
/** Where bcrypt stops reading: a longer one would be cut, so it is refused. */
export const passwordBytesMax = 72
const cost = 12

export async function hashPassword(password: string): Promise<string> {
  return await Bun.password.hash(password, { algorithm: 'bcrypt', cost })
}

/** Of a password that nobody has, at the same cost: what an unknown e-mail address is held against. */
const nobodysHash = '$2b$12$40AocZyudRJTxaefORNVDOZy3zCiWRLhRTUuF8C7fYHubycv.uA16'

/** Whether the password fits the hash. Takes as long where there is none, so that time does not tell who exists. */
export async function isPasswordOf(password: string, hash: string | undefined): Promise<boolean> {
  const fits = await Bun.password.verify(password, hash ?? nobodysHash, 'bcrypt')
  return fits && hash !== undefined
}
