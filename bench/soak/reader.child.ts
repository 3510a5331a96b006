/** Programs on the consumer's machine that read all the time and look at every byte. Says what became of each answer. */
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { patternBytes } from '../../spec/support/pattern.js'

/** What one reader reads, again and again. */
export interface Task {
  readonly kind: 'film' | 'range' | 'service' | 'rotation'
  readonly nicknames: readonly string[]
  readonly file: string
  readonly bytes: number
}

/** What the readers are told first. */
export interface Reading {
  /** The consumer's, without a slash at its end. */
  readonly proxy: string
  readonly tasks: readonly Task[]
}

/**
 * `complete`: every byte was right. `refused`: an answer that says why. `broken`: the connection broke, so that the reader saw it.
 * `wrong`: bytes that are not the file's, or an answer that ended as if it were whole and was not.
 */
export interface Outcome {
  readonly kind: Task['kind']
  readonly nickname: string
  readonly result: 'complete' | 'refused' | 'broken' | 'wrong'
  readonly bytes: number
  readonly ms: number
  readonly longestGapMs: number
  readonly detail: string
}

type Judgement = Pick<Outcome, 'result' | 'detail'>

/** Compares what arrives with what was asked for. */
class Comparison {
  bytes = 0
  longestGapMs = 0
  private differs = false
  private lastAt = performance.now()
  constructor(
    private readonly offset: number,
    private readonly length: number,
  ) {}
  take(chunk: Buffer): void {
    this.longestGapMs = Math.max(this.longestGapMs, performance.now() - this.lastAt)
    this.lastAt = performance.now()
    for (let at = 0; at < chunk.length; at += 1_000_000) {
      const piece = chunk.subarray(at, at + 1_000_000)
      this.differs ||= Buffer.compare(piece, patternBytes(1, this.offset + this.bytes + at, piece.length)) !== 0
    }
    this.bytes += chunk.length
  }
  /** @param end of the answer: as it should, or a failure. */
  judge(end: Error | undefined): Judgement {
    if (this.differs) return { result: 'wrong', detail: 'bytes that are not the file’s' }
    if (end !== undefined) return { result: 'broken', detail: end.message }
    if (this.bytes === this.length) return { result: 'complete', detail: '' }
    return { result: 'wrong', detail: `${this.bytes} of ${this.length} bytes, ended as if whole` }
  }
}

function ask(url: string, range: string | undefined): Promise<IncomingMessage> {
  const headers = { accept: 'application/json', ...(range === undefined ? {} : { range }) }
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, message => {
      const { location } = message.headers
      if (location === undefined) return resolve(message)
      message.resume()
      ask(new URL(location, url).href, range).then(resolve, reject)
    }).on('error', reject)
  })
}

async function readHttp(
  url: string,
  range: readonly [number, number] | undefined,
  comparison: Comparison,
): Promise<Judgement> {
  const message = await ask(url, range === undefined ? undefined : `bytes=${range[0]}-${range[0] + range[1] - 1}`)
  const { statusCode: status = 0 } = message
  if (status !== (range === undefined ? 200 : 206)) {
    let text = ''
    for await (const chunk of message) text += String(chunk)
    return { result: 'refused', detail: `${status} ${/"code":\s*"([\w-]+)"/.exec(text)?.[1] ?? ''}` }
  }
  try {
    for await (const chunk of message) comparison.take(chunk as Buffer)
    return comparison.judge(undefined)
  } catch (error) {
    return comparison.judge(error as Error)
  }
}

/** Where the tunnel to that peer listens. */
async function tunnelPort(proxy: string, nickname: string): Promise<number | undefined> {
  const answer = await fetch(`${proxy}/proxy/${nickname}/`, {
    redirect: 'manual',
    headers: { accept: 'application/json' },
  })
  await answer.arrayBuffer()
  const location = answer.headers.get('location')
  return location === null ? undefined : Number(new URL(location, proxy).port)
}

async function readService(port: number, offset: number, length: number, comparison: Comparison): Promise<Judgement> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`TAKE ${offset} ${length}\n`)
  try {
    for await (const chunk of socket) comparison.take(chunk as Buffer)
    return comparison.judge(undefined)
  } catch (error) {
    return comparison.judge(error as Error)
  }
}

async function readOnce(
  proxy: string,
  { kind, file, bytes }: Task,
  nickname: string,
): Promise<Omit<Outcome, 'kind' | 'nickname'>> {
  const startedAt = performance.now()
  const isWhole = kind === 'film' || kind === 'rotation'
  const offset = isWhole ? 0 : Math.floor(Math.random() * bytes)
  const length = isWhole ? bytes : 1 + Math.floor(Math.random() * Math.min(bytes - offset, 4_000_000))
  const comparison = new Comparison(offset, length)
  const judged = async (): Promise<Judgement> => {
    if (kind !== 'service')
      return readHttp(`${proxy}/proxy/${nickname}/${file}`, isWhole ? undefined : [offset, length], comparison)
    const port = await tunnelPort(proxy, nickname)
    return port === undefined
      ? { result: 'refused', detail: 'no tunnel' }
      : readService(port, offset, length, comparison)
  }
  const judgement = await judged().catch((error: unknown): Judgement => ({ result: 'broken', detail: String(error) }))
  const { bytes: read, longestGapMs } = comparison
  return { ...judgement, bytes: read, ms: performance.now() - startedAt, longestGapMs }
}

async function readAlways(proxy: string, task: Task): Promise<never> {
  for (;;) {
    const nickname = task.nicknames[Math.floor(Math.random() * task.nicknames.length)]!
    const outcome: Outcome = { kind: task.kind, nickname, ...(await readOnce(proxy, task, nickname)) }
    process.send!(outcome)
    await wait(outcome.result === 'complete' ? 200 : 1_000)
  }
}

process.once('message', ({ proxy, tasks }: Reading) => {
  for (const task of tasks) void readAlways(proxy, task)
})
process.on('disconnect', () => process.exit())
