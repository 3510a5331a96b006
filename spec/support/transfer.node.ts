/** Files whose content is known, and downloads of which every byte is looked at. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { patternBytes } from './pattern.js'

/** Bytes that are made and written at a time. */
const pieceBytes = 1_000_000

/** Writes `size` bytes that repeat only after a million, and returns their SHA-256. */
export function writePattern(path: string, size: number): string {
  const hash = createHash('sha256')
  const file = openSync(path, 'w')
  for (let offset = 0; offset < size; offset += pieceBytes) {
    const bytes = patternBytes(1, offset, Math.min(pieceBytes, size - offset))
    hash.update(bytes)
    writeSync(file, bytes)
  }
  closeSync(file)
  return hash.digest('hex')
}

export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
  /** Default true. */
  readonly follow?: boolean
}

/** An answer whose body has not been read yet. */
export interface Opened {
  /** Where it came from, after redirects. */
  readonly url: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly message: IncomingMessage
  /** What became of the connection, which Node tells the request only. */
  readonly failure: () => Error | undefined
}

/** Asks and resolves with the head of the answer, following redirects with the path as it stands there. */
export function open(url: string, question: Question = {}): Promise<Opened> {
  const { method = 'GET', headers = {}, body, signal, follow = true } = question
  const { hostname, port } = new URL(url)
  // As it is: the URL class would change what it holds.
  const path = url.replace(/^http:\/\/[^/]*/, '') || '/'
  let failure: Error | undefined
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, method, headers, agent: false, signal }, message => {
      const { statusCode: status = 0, headers: answered } = message
      const { location } = answered
      if (follow && location !== undefined && status >= 300 && status < 400) {
        message.resume()
        open(new URL(location, url).href, question).then(resolve, reject)
        return
      }
      resolve({ url, status, headers: answered, message, failure: () => failure })
    })
    asked.on('error', error => {
      failure = error
      reject(error)
    })
    asked.end(body)
  })
}

/** A body, read to its end. */
export interface Received {
  readonly bytes: number
  readonly sha256: string
}

/** Reads the rest of an answer. Rejects when the transfer breaks. Starts to read at once; pause the message to hold it. */
export function receive({ message, failure }: Opened): Promise<Received> {
  const hash = createHash('sha256')
  let bytes = 0
  return new Promise((resolve, reject) => {
    message.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    message.on('error', reject)
    const end = (): void => {
      // A body that ends with its connection ends the same way when that is reset.
      const broken = failure() ?? (message.complete ? undefined : new Error('aborted'))
      if (broken === undefined) resolve({ bytes, sha256: hash.digest('hex') })
      else reject(broken)
    }
    // One that was held may have broken meanwhile, which is told once.
    if (message.closed) end()
    else message.on('close', end)
  })
}

/**
 * Lets so much more of an answer be read, and holds the rest; resolves when it is held. What follows it is in the sockets
 * on the way, some megabytes, and still on the other machine.
 */
export function readOn({ message }: Opened, bytes: number): Promise<void> {
  return new Promise(resolve => {
    let left = bytes
    const count = (chunk: Buffer): void => {
      left -= chunk.length
      if (left > 0) return
      message.off('data', count).pause()
      resolve()
    }
    message.on('data', count).resume()
  })
}

/** The whole of what is at a URL. */
export async function download(url: string, question?: Question): Promise<Opened & Received> {
  const opened = await open(url, question)
  return { ...opened, ...(await receive(opened)) }
}

/** The whole of a short text. */
export async function readText(url: string, question?: Question): Promise<Opened & { readonly text: string }> {
  const opened = await open(url, question)
  let text = ''
  for await (const chunk of opened.message.setEncoding('utf8')) text += chunk as string
  return { ...opened, text }
}
