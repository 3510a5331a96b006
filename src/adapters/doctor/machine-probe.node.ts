import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, opendir, realpath, statfs, unlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { catchError, defer, forkJoin, from, map, Observable, of, switchMap, timeout } from 'rxjs'
import type { PortHolder, ShareFound } from '../../protocol/doctor/machine.js'
import type { PeerFacts } from '../../protocol/doctor/probe.js'
import { parseMembers } from '../../protocol/json.js'

const limitMs = 2_000

/** A program on this machine answers within milliseconds, if it speaks HTTP. */
const answerMs = 500

const loopback = '127.0.0.1'

const messageOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

/** What a disk that hangs is worth. */
const hanging = (): Observable<never> =>
  defer(() => {
    throw new Error(`no answer within ${limitMs / 1000} s`)
  })

function isFree$(port: number): Observable<boolean> {
  return new Observable(subscriber => {
    const server = createServer()
    subscriber.add(() => server.close())
    const answer = (isFree: boolean): void => {
      subscriber.next(isFree)
      subscriber.complete()
    }
    server.once('error', () => answer(false))
    server.listen({ port, host: loopback, exclusive: true }, () => answer(true))
  })
}

/** Our listeners refuse a name that is not theirs in words of their own. */
function holder$(port: number): Observable<PortHolder> {
  return new Observable(subscriber => {
    const answer = (isOurs: boolean): void => {
      subscriber.next(isOurs ? 'lighthouse' : 'other')
      subscriber.complete()
    }
    const headers = { host: 'doctor.invalid', accept: 'application/problem+json' }
    const asked = request({ host: loopback, port, headers, agent: false, timeout: answerMs }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        body += text
        if (body.length > 4_096) asked.destroy()
      })
      response.on('end', () => answer(response.statusCode === 421 && 'next' in parseMembers(body)))
      response.on('error', () => answer(false))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => answer(false))
    asked.end()
    subscriber.add(() => asked.destroy())
  })
}

/** Who has each port: opened for a moment where it is free, else asked. */
export function portsProbe$(ports: readonly number[]): Observable<ReadonlyMap<number, PortHolder>> {
  const each$ = (port: number): Observable<readonly [number, PortHolder]> =>
    isFree$(port).pipe(
      switchMap(isFree => (isFree ? of('free' as const) : holder$(port))),
      map(holder => [port, holder] as const),
    )
  return forkJoin(ports.map(each$)).pipe(map(entries => new Map(entries)))
}

async function existing(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error
    return existing(dirname(folder))
  }
}

async function disk(folder: string): Promise<{ readonly freeBytes: number; readonly failure: string | undefined }> {
  const there = await existing(folder)
  const { bavail, bsize } = await statfs(there)
  const freeBytes = bavail * bsize
  try {
    // Permissions do not show a disk that is full or read-only.
    const file = join(there, `.lighthouse-doctor-${randomBytes(6).toString('hex')}`)
    await writeFile(file, 'x', { flag: 'wx', mode: 0o600 })
    await unlink(file)
    return { freeBytes, failure: undefined }
  } catch (error) {
    return { freeBytes, failure: messageOf(error) }
  }
}

/** The disk where the folder is, or will be. */
export function diskProbe$(
  folder: string,
): Observable<{ readonly freeBytes: number | undefined; readonly failure: string | undefined }> {
  return defer(() => from(disk(folder))).pipe(
    timeout({ first: limitMs, with: hanging }),
    catchError((error: unknown) => of({ freeBytes: undefined, failure: messageOf(error) })),
  )
}

/** The limit on open files, from Node's report. */
export function handlesProbe(): number | undefined {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}

async function readFolder(path: string): Promise<void> {
  await access(path, constants.R_OK | constants.X_OK)
  const folder = await opendir(path)
  await folder.read()
  await folder.close()
}

function answers$(host: string, port: number): Observable<void> {
  return new Observable(subscriber => {
    const socket = connect({ host, port }, () => {
      subscriber.next()
      subscriber.complete()
    })
    socket.on('error', error => subscriber.error(error))
    subscriber.add(() => socket.destroy())
  })
}

/** Whether what is shared is there. */
export function shareProbe$(share: PeerFacts['share']): Observable<ShareFound> {
  if (share === null) return of({ type: 'none' })
  const found = (failure: string | undefined): ShareFound =>
    share.type === 'folder'
      ? { type: 'folder', path: share.path, failure }
      : { type: 'tcp', address: `${share.host}:${share.port}`, failure }
  return (share.type === 'folder' ? defer(() => from(readFolder(share.path))) : answers$(share.host, share.port)).pipe(
    timeout({ first: limitMs, with: hanging }),
    map(() => found(undefined)),
    catchError((error: unknown) => of(found(messageOf(error)))),
  )
}
