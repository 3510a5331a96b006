import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { isRecord } from '../../protocol/json.js'
import { askTunnel } from '../control.js'
import type { FileAddress } from './address.js'

/** A page of a listing is far smaller. It is paid for like everything. */
const maxListingBytes = 1_000_000

/** A listing comes at once or never. */
const timeoutMs = 10_000

/**
 * How long the folder says that a file is. Undefined where it is not on the first page of a listing as our own data server
 * makes it, or where the other side shares something else than a folder.
 */
export async function listedSize(
  home: string,
  { nickname, path, name }: FileAddress,
  given: AbortSignal,
): Promise<number | undefined> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(timeoutMs)])
  try {
    const folder = path.replace(/[^/]*(\?.*)?$/, '')
    const { port, path: there } = await askTunnel(home, nickname, folder, signal)
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' }
    const asked = request({ host: '127.0.0.1', port, path: there, headers, agent: false, signal })
    // Told through the promises; without a listener an abort in mid-body would end the process.
    asked.on('error', () => undefined)
    asked.end()
    const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage]
    return sizeIn(await readBounded(response), name)
  } catch {
    // No listing, whatever the reason: there is another bound.
    given.throwIfAborted()
    return undefined
  }
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > maxListingBytes) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function sizeIn(text: string, name: string): number | undefined {
  const value: unknown = JSON.parse(text)
  const entries: unknown = isRecord(value) ? value.entries : undefined
  if (!Array.isArray(entries)) return undefined
  const entry: unknown = entries.find(each => isRecord(each) && each.name === name && each.type === 'file')
  const size = isRecord(entry) ? Number(entry.size) : Number.NaN
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
