/**
 * Sends an open file as `protocol/file-request.ts` says. Every byte comes from the descriptor that was checked, never
 * from its name again.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerFileRequest } from '../protocol/file-request.js'
import type { ByteRange } from '../protocol/http-range.js'
import { contentType, isActiveType } from './media-type.js'
import { contentSecurityPolicy } from './page.node.js'
import { sendProblem } from './problem.node.js'
import type { OpenEntry } from './safe-path.node.js'

/** Read at once. At most three of these are held for a request: being read, held back, handed over. */
const readBytes = 65_536

/** A browser shows a media file in a page of its own making: it may load the file and style itself, nothing else. */
const mediaPolicy = contentSecurityPolicy({
  'img-src': "'self' data:",
  'media-src': "'self' data:",
  'style-src': "'self' 'unsafe-inline'",
  'font-src': "'self' data:",
})

/** Somebody's own HTML or SVG is shown, and can do nothing. */
const sandboxPolicy = `${mediaPolicy}; sandbox`

/** A strong entity tag: another one after every change that a file system notices. Tells nothing of the machine. */
function entityTag({ stats }: OpenEntry): string {
  const { dev, ino, size, mtimeNs } = stats
  return `"${createHash('sha256').update(`${dev}-${ino}-${size}-${mtimeNs}`).digest('base64url').slice(0, 22)}"`
}

/** Reads one range. Throws when the file has become shorter, so that the answer breaks off instead of ending. */
async function* readRange({ handle }: OpenEntry, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  for (let position = start; position <= end;) {
    const length = Math.min(readBytes, end - position + 1)
    // A new buffer each time: the response holds on to what it was given.
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position)
    if (bytesRead === 0) throw new Error('the file became shorter while it was sent')
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

/** A header that may occur once. Said several times, it says nothing that fits. */
function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value
}

interface Part {
  readonly head: string
  readonly range: ByteRange
}

/** All parts in turn, then `tail`. Throws before the end when the file was written over in the meantime. */
async function* readParts(file: OpenEntry, parts: readonly Part[], tail: string): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined
  for (const { head, range } of parts) {
    if (head !== '') yield* held === undefined ? [Buffer.from(head)] : [held, Buffer.from(head)]
    held = undefined
    for await (const chunk of readRange(file, range)) {
      if (held !== undefined) yield held
      held = chunk
    }
  }
  // The last chunk waits for this: what is a mix of two versions must not look complete. A file that only grew is fine.
  const { size, mtimeNs } = await file.handle.stat({ bigint: true })
  if (size === file.stats.size && mtimeNs !== file.stats.mtimeNs) throw new Error('the file changed while it was sent')
  if (held !== undefined) yield held
  if (tail !== '') yield Buffer.from(tail)
}

async function stream(
  req: IncomingMessage,
  res: ServerResponse,
  file: OpenEntry,
  parts: readonly Part[],
  tail = '',
): Promise<void> {
  const length = parts.reduce((sum, { head, range }) => sum + Buffer.byteLength(head) + range.end - range.start + 1, 0)
  res.setHeader('Content-Length', length + tail.length)
  if (req.method === 'HEAD' || length === 0) {
    res.end()
    return
  }
  // The socket tells, not the response: one that waits behind others of its connection never hears that it closed.
  const gone = new AbortController()
  const giveUp = (): void => gone.abort()
  req.socket.once('close', giveUp)
  res.on('error', giveUp)
  if (req.socket.destroyed) giveUp()
  try {
    for await (const chunk of readParts(file, parts, tail)) {
      gone.signal.throwIfAborted()
      if (!res.write(chunk)) await once(res, 'drain', { signal: gone.signal })
    }
    res.end()
  } catch {
    // The client went away, or the file failed under us. Either way the length that was promised was not sent, and the
    // connection must not look as if it ended well. Nobody is left to be told more.
    req.socket.destroy()
  } finally {
    req.socket.off('close', giveUp)
  }
}

/** Sends a file named `name` to a GET or HEAD and closes it, also when the client goes away in the middle. */
export async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  file: OpenEntry,
  name: string,
): Promise<void> {
  try {
    const size = Number(file.stats.size)
    const etag = entityTag(file)
    const { headers, method = 'GET' } = req
    const answer = answerFileRequest(
      {
        method,
        range: headers.range,
        ifRange: single(headers['if-range']),
        ifMatch: headers['if-match'],
        ifNoneMatch: headers['if-none-match'],
        ifModifiedSince: headers['if-modified-since'],
        ifUnmodifiedSince: headers['if-unmodified-since'],
      },
      { size, etag, modifiedMs: Number(file.stats.mtimeMs) },
      Date.now(),
    )
    if (answer.type === 'precondition-failed') {
      return sendProblem(req, res, {
        status: 412,
        title: 'The file has changed',
        detail: 'The file is not the version that was asked for.',
        next: 'Ask again without conditions to get it as it is now.',
      })
    }
    if (answer.type === 'unsatisfiable') {
      res.setHeader('Content-Range', `bytes */${size}`)
      return sendProblem(req, res, {
        status: 416,
        title: 'Beyond the end of the file',
        detail: `The file has ${size} bytes, and none of the ranges asked for lies inside.`,
        next: 'Ask for a range that begins before its end.',
      })
    }
    res.setHeader('Accept-Ranges', 'bytes')
    res.setHeader('ETag', etag)
    res.setHeader('Last-Modified', file.stats.mtime.toUTCString())
    // Another peer may be behind the same address tomorrow, so nothing is reused unasked.
    res.setHeader('Cache-Control', 'private, no-cache')
    const type = contentType(name)
    // A browser puts the headers of a 304 over those that it has stored, so the policy belongs there too.
    res.setHeader('Content-Security-Policy', isActiveType(type) ? sandboxPolicy : mediaPolicy)
    if (answer.type === 'not-modified') {
      res.statusCode = 304
      res.end()
      return
    }
    res.setHeader('Content-Type', type)
    if (answer.type === 'whole') return await stream(req, res, file, [{ head: '', range: { start: 0, end: size - 1 } }])
    res.statusCode = 206
    const contentRange = ({ start, end }: ByteRange): string => `bytes ${start}-${end}/${size}`
    const [range, ...more] = answer.ranges
    if (range !== undefined && more.length === 0) {
      res.setHeader('Content-Range', contentRange(range))
      return await stream(req, res, file, [{ head: '', range }])
    }
    const boundary = randomBytes(18).toString('hex')
    res.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`)
    const parts = answer.ranges.map((part, index) => {
      const head = `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(part)}\r\n\r\n`
      return { head: index === 0 ? head : `\r\n${head}`, range: part }
    })
    return await stream(req, res, file, parts, `\r\n--${boundary}--\r\n`)
  } finally {
    await file.handle.close()
  }
}
