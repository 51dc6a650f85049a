/** A QR code as a PNG picture, in a data URL. */
export async function drawQr(text: string): Promise<string> {
  // Seldom needed: loaded when it is.
  const [{ generate }, { toPngBuffer }] = await Promise.all([import('lean-qr'), import('lean-qr/extras/node_export')])
  const png = toPngBuffer(generate(text), { on: [0, 0, 0, 255], off: [255, 255, 255, 255], scale: pixelsPerModule })
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`
}

const pixelsPerModule = 6
