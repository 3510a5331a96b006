/**
 * Sends an open file as `protocol/http/file-request.ts` decides. Every byte comes from the descriptor that was checked, never
 * from its name again, and is of the version that the headers name.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { answerFileRequest, lastModified } from '../../protocol/http/file-request.js'
import { changedMs, type FileState, tickMs } from '../../protocol/http/file-version.js'
import type { ByteRange } from '../../protocol/http/range.js'
import { contentType, isActiveType } from './media-type.js'
import { contentSecurityPolicy } from '../http/page.node.js'
import { preconditionFailed, type Problem, sendProblem } from '../http/problem.node.js'
import type { OpenEntry } from './safe-path.node.js'
import { entityTag, FileChanged, readVersion, settledVersion } from './file-version.node.js'

/** A browser shows a media file in a page of its own making: it may load the file and style itself, nothing else. */
const mediaPolicy = contentSecurityPolicy({
  'img-src': "'self' data:",
  'media-src': "'self' data:",
  'style-src': "'self' 'unsafe-inline'",
  'font-src': "'self' data:",
})

/** Somebody's own HTML or SVG is shown, and can do nothing. */
const sandboxPolicy = `${mediaPolicy}; sandbox`

const beingWritten: Problem = {
  status: 503,
  title: 'The file is being written',
  detail: 'Somebody is writing to this file, so it has no version that could be sent.',
  next: 'Try again when it is complete.',
}

/** A header that may occur once. Repeated, it matches nothing. */
function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value
}

interface Part {
  readonly head: string
  readonly range: ByteRange
}

/** What to send: a head, then the parts of the file in turn, then `tail`. */
interface Answer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly parts: readonly Part[]
  readonly tail: string
}

function lengthOf({ parts, tail }: Answer): number {
  return parts.reduce((sum, { head, range }) => sum + head.length + range.end - range.start + 1, tail.length)
}

async function* chunksOf({ parts, tail }: Answer, file: OpenEntry, version: FileState): AsyncGenerator<Uint8Array> {
  for (const { head, range } of parts) {
    if (head !== '') yield Buffer.from(head)
    yield* readVersion(file, version, range)
  }
  if (tail !== '') yield Buffer.from(tail)
}

/** The answer that has bytes of the file: all of them, one range, or several as parts of a multipart body. */
function bodyAnswer(
  headers: OutgoingHttpHeaders,
  type: string,
  size: number,
  ranges: readonly ByteRange[] | undefined,
): Answer {
  if (ranges === undefined) {
    const range = { start: 0, end: size - 1 }
    return { status: 200, headers: { ...headers, 'Content-Type': type }, parts: [{ head: '', range }], tail: '' }
  }
  const contentRange = ({ start, end }: ByteRange): string => `bytes ${start}-${end}/${size}`
  const [range, ...more] = ranges
  if (range !== undefined && more.length === 0) {
    const named = { ...headers, 'Content-Type': type, 'Content-Range': contentRange(range) }
    return { status: 206, headers: named, parts: [{ head: '', range }], tail: '' }
  }
  const boundary = randomBytes(18).toString('hex')
  const parts = ranges.map((part, index) => {
    const head = `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(part)}\r\n\r\n`
    return { head: index === 0 ? head : `\r\n${head}`, range: part }
  })
  const several = { ...headers, 'Content-Type': `multipart/byteranges; boundary=${boundary}` }
  return { status: 206, headers: several, parts, tail: `\r\n--${boundary}--\r\n` }
}

/** Nothing is sent before the first bytes are read: a failure before that is an error page, a later one resets the connection. */
async function send(
  { method }: IncomingMessage,
  res: ServerResponse,
  answer: Answer,
  chunks: AsyncGenerator<Uint8Array>,
  gone: AbortSignal,
): Promise<void> {
  const length = lengthOf(answer)
  const head = { ...answer.headers, 'Content-Length': length }
  if (method !== 'HEAD' && length > 0) {
    for await (const chunk of chunks) {
      gone.throwIfAborted()
      if (!res.headersSent) res.writeHead(answer.status, head)
      if (!res.write(chunk)) await once(res, 'drain', { signal: gone })
    }
  } else {
    res.writeHead(answer.status, head)
  }
  res.end()
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  file: OpenEntry,
  name: string,
  gone: AbortSignal,
): Promise<void> {
  const state = await settledVersion(file, gone)
  const version = {
    size: Number(state.size),
    etag: entityTag(state),
    changedMs: changedMs(state),
    tickMs: tickMs(state),
  }
  const nowMs = Date.now()
  const { headers, method = 'GET' } = req
  const found = answerFileRequest(
    {
      method,
      range: headers.range,
      ifRange: single(headers['if-range']),
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
      ifModifiedSince: headers['if-modified-since'],
      ifUnmodifiedSince: headers['if-unmodified-since'],
    },
    version,
    nowMs,
  )
  if (found.type === 'precondition-failed') {
    return sendProblem(req, res, preconditionFailed('file'))
  }
  if (found.type === 'unsatisfiable') {
    res.setHeader('Content-Range', `bytes */${version.size}`)
    return sendProblem(req, res, {
      status: 416,
      title: 'Beyond the end of the file',
      detail: `The file has ${version.size} bytes, and none of the ranges asked for lies inside.`,
      next: 'Ask for a range that begins before its end.',
    })
  }
  const type = contentType(name)
  const date = lastModified(version, nowMs)
  const described: OutgoingHttpHeaders = {
    'Accept-Ranges': 'bytes',
    ETag: version.etag,
    ...(date === undefined ? {} : { 'Last-Modified': date }),
    // Another peer may be behind the same address tomorrow, so nothing is reused unasked.
    'Cache-Control': 'private, no-cache',
    // A browser puts the headers of a 304 over those that it has stored, so the policy belongs there too.
    'Content-Security-Policy': isActiveType(type) ? sandboxPolicy : mediaPolicy,
  }
  if (found.type === 'not-modified') {
    res.writeHead(304, described).end()
    return
  }
  const body = bodyAnswer(described, type, version.size, found.type === 'parts' ? found.ranges : undefined)
  await send(req, res, body, chunksOf(body, file, state), gone)
}

/** Sends a file named `name` to a GET or HEAD and closes it, also when the client goes away in the middle. */
export async function sendFile(
  req: IncomingMessage,
  res: ServerResponse,
  file: OpenEntry,
  name: string,
): Promise<void> {
  // Listen to the socket, not the response: a response that is queued behind others gets no `close`.
  const gone = new AbortController()
  const giveUp = (): void => gone.abort()
  req.socket.once('close', giveUp)
  res.on('error', giveUp)
  if (req.socket.destroyed) giveUp()
  try {
    await answer(req, res, file, name, gone.signal)
  } catch (error) {
    if (!res.headersSent && !gone.signal.aborted) {
      if (!(error instanceof FileChanged)) throw error
      res.setHeader('Retry-After', 1)
      sendProblem(req, res, beingWritten)
      return
    }
    // The client went away, or the file failed or changed under us. Either way the length that was promised was not sent,
    // and the connection is reset, so that it does not look as if it ended well to programs that ignore the length.
    req.socket.resetAndDestroy()
  } finally {
    req.socket.off('close', giveUp)
    await file.handle.close()
  }
}
