/** Whether the optional dependency is here; says what is skipped where it is not. In CI it is an error to lack it. */
export function hasBaileys(consequence: string): boolean {
  try {
    Bun.resolveSync('@whiskeysockets/baileys', import.meta.dirname)
    return true
  } catch {
    if (process.env.CI) throw new Error('@whiskeysockets/baileys is not installed, and CI needs it')
    console.log(`skipped: @whiskeysockets/baileys is not installed, so ${consequence}`)
    return false
  }
}
