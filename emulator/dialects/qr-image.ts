import { crc32, deflateSync } from 'node:zlib'
import { generate } from 'lean-qr'

const marginModules = 3
const pixelsPerModule = 4

/** A QR as a PNG in a data URL, black on white. */
export function qrImage(text: string): string {
  const code = generate(text)
  const side = (code.size + marginModules * 2) * pixelsPerModule
  const rows = Array.from({ length: side }, (_, y) => {
    const row = new Uint8Array(1 + Math.ceil(side / 8))
    for (let x = 0; x < side; x++) {
      const isDark = code.get(moduleAt(x), moduleAt(y))
      if (!isDark) row[1 + (x >> 3)] = (row[1 + (x >> 3)] ?? 0) | (0x80 >> (x & 7))
    }
    return row
  })
  const png = Buffer.concat([
    signature,
    header(side),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', empty),
  ])
  return `data:image/png;base64,${png.toString('base64')}`
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const empty = Buffer.alloc(0)

function moduleAt(pixel: number): number {
  return Math.floor(pixel / pixelsPerModule) - marginModules
}

/** One bit a pixel, greyscale ("IHDR" of the PNG specification). */
function header(side: number): Buffer {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(side, 0)
  data.writeUInt32BE(side, 4)
  data[8] = 1
  return chunk('IHDR', data)
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
