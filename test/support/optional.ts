/**
 * The path of a program that a bare machine lacks; undefined, with a line that says what is skipped, where it is not
 * installed. In CI it is an error: there nothing is skipped.
 */
export function optionalProgram(name: string, consequence: string): string | undefined {
  const path = Bun.which(name)
  if (path !== null) return path
  if (process.env.CI) throw new Error(`${name} is not installed, and CI needs it`)
  console.log(`skipped: ${name} is not installed, so ${consequence}`)
  return undefined
}
