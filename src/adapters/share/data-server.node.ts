/**
 * The shared folder over HTTP, read-only, on loopback: what other peers reach through their tunnels, and the owner
 * directly.
 */
import { constants } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { platform } from 'node:os'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import { defer, Observable, switchMap } from 'rxjs'
import { LighthouseError } from '../../protocol/errors.js'
import { judgeRequest, judgeTunnelledRequest, loopbackHosts } from '../../protocol/http/guard.js'
import { parseSharePath } from '../../protocol/http/share-path.js'
import { sendFile } from './file-response.node.js'
import { listFolder } from './folder-listing.node.js'
import { inTurn } from '../http/in-turn.node.js'
import { guard, securityHeaders } from '../http/guard.express.js'
import { type Problem, sendProblem } from '../http/problem.node.js'
import { openInside, type SharedRoot } from './safe-path.node.js'
import { KeptFiles } from './kept-files.node.js'
import { sendListing } from './listing-response.node.js'
import { listenError } from '../tcp/listen-error.js'

/** What is shared, and where. */
export interface FolderServerOptions {
  /** The folder. May be a link; what it leads to when the server starts is what is shared. */
  readonly path: string
  /** Where the peer keeps its own files, which are not served wherever they lie. Default: it keeps none. */
  readonly home?: string | undefined
  /** 0 lets the system choose. */
  readonly port: number
  /**
   * The public key of the peer whose stream dialled from this local TCP port, or undefined when no stream of ours did:
   * then the request comes from a program on this machine.
   */
  readonly fromPeer: (remotePort: number) => string | undefined
}

/** A data server that listens. */
export interface FolderServer {
  readonly port: number
  readonly url: string
}

const loopback = '127.0.0.1'

const missing: Problem = {
  status: 404,
  title: 'Nothing here',
  detail: 'There is no such file or folder in what is shared.',
  next: 'Check the spelling, or open the folder and choose from the list.',
}

const malformed: Problem = {
  status: 400,
  title: 'The address is malformed',
  detail: 'The part after the host is not a path in percent-encoded UTF-8.',
  next: 'Write a percent sign as %25, or open the file from the listing.',
}

const busy: Problem = {
  status: 503,
  title: 'Too busy',
  detail: 'This computer has run out of file handles.',
  next: 'Try again in a moment.',
}

const failed: Problem = {
  status: 500,
  title: 'The file cannot be read',
  detail: 'The disk or the file system failed.',
  next: 'Try again. If it happens again, the owner of the folder should check the disk.',
}

/** A request target's query with its question mark. Not parsed as a URL: in `//films/` the first name would be a host. */
function queryOf(target: string): string {
  return /\?[^#]*/.exec(target)?.[0] ?? ''
}

/** Answers a GET or HEAD for one path. */
async function serve(req: Request, res: Response, root: SharedRoot): Promise<void> {
  const path = parseSharePath(req.originalUrl, platform() === 'win32')
  if (path === 'malformed') return sendProblem(req, res, malformed)
  const entry = path === 'hidden' ? undefined : await openInside(root, path.names)
  if (path === 'hidden' || entry === undefined) return sendProblem(req, res, missing)
  const { names, slash } = path
  const name = names.at(-1)
  if (entry.kind === 'file' && !slash && name !== undefined) return sendFile(req, res, entry, name)
  try {
    if (entry.kind === 'file') return sendProblem(req, res, missing)
    if (slash) {
      const after = new URLSearchParams(queryOf(req.originalUrl)).get('after') ?? undefined
      return await sendListing(req, res, names, await listFolder(root, entry, after))
    }
    // Relative, so that it holds below any prefix; and never cached, since another peer may have this address tomorrow.
    res.setHeader('Location', `./${encodeURIComponent(name ?? '')}/${queryOf(req.originalUrl)}`)
    res.setHeader('Cache-Control', 'no-store')
    res.statusCode = 302
    res.end()
  } finally {
    await entry.handle.close()
  }
}

const onError: ErrorRequestHandler = (error: NodeJS.ErrnoException, req, res, _next) => {
  sendProblem(req, res, error.code === 'EMFILE' || error.code === 'ENFILE' ? busy : failed)
}

function folderApp(
  root: SharedRoot,
  hosts: () => readonly string[],
  fromPeer: FolderServerOptions['fromPeer'],
): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', false)
  app.use(securityHeaders())
  app.use(
    guard({
      hosts,
      judge: (request, own, req) =>
        fromPeer(req.socket.remotePort ?? 0) === undefined
          ? judgeRequest(request, own)
          : judgeTunnelledRequest(request),
    }),
  )
  app.use((req, res) => {
    if (req.method === 'GET' || req.method === 'HEAD') return serve(req, res, root)
    res.setHeader('Allow', 'GET, HEAD')
    return sendProblem(req, res, {
      status: 405,
      title: 'Read-only',
      detail: 'What is shared can be read, not changed.',
      next: 'Use GET or HEAD.',
    })
  })
  app.use(onError)
  return app
}

/** An HTTP server whose every wait and every list has a limit. */
function boundedServer(listener: RequestListener): Server {
  const server = createServer(
    {
      // A missing Host is for the guard to answer.
      requireHostHeader: false,
      maxHeaderSize: 16_384,
      // Requests have no body worth waiting for; both ends are on this machine.
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      // A peer opens another connection without a round trip, and waits for this one while it has its share of them.
      keepAliveTimeout: 1_000,
      connectionsCheckingInterval: 5_000,
    },
    inTurn(listener),
  )
  // A client may half-close and still wait for its answer; streams carry that as FIN.
  // Node's types leave it out.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.maxHeadersCount = 100
  // Each may hold a file handle. Other peers have 512 of them (`folderDials`); the rest are for programs on this machine.
  server.maxConnections = 768
  // A paused player keeps its connection. After an hour of nothing it has to ask again, which players do by a range.
  server.timeout = 3_600_000
  return server
}

async function openFolder({ path, home }: FolderServerOptions): Promise<SharedRoot> {
  const refuse = (rule: string, cause?: unknown): never => {
    throw new LighthouseError('invalid-share', `"${path}" ${rule}`, {}, { cause })
  }
  try {
    const root = await realpath(path)
    if (!(await stat(root)).isDirectory()) return refuse('is not a folder. Share the folder that it lies in.')
    await access(root, constants.R_OK | constants.X_OK)
    // One that is missing keeps nothing.
    const ownHome = home === undefined ? undefined : await realpath(home).catch(() => undefined)
    return { path: root, kept: new KeptFiles(root, ownHome) }
  } catch (error) {
    if (error instanceof LighthouseError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return refuse('does not exist. Create the folder, or share another with --share.', error)
    if (code === 'EACCES') return refuse('cannot be read. Give yourself permission, or share another folder.', error)
    return refuse(`cannot be shared (${code ?? 'unknown error'}). Share another folder.`, error)
  }
}

function listen$(root: SharedRoot, { port, fromPeer }: FolderServerOptions): Observable<FolderServer> {
  return new Observable(subscriber => {
    let hosts: readonly string[] = []
    const server = boundedServer(folderApp(root, () => hosts, fromPeer))
    server.on('error', (cause: NodeJS.ErrnoException) => {
      // It still listens: an accept that failed, with no file handles left for example, costs that one connection.
      if (!server.listening) subscriber.error(listenError(cause, loopback, port))
    })
    server.listen({ port, host: loopback, exclusive: true }, () => {
      const { port: actual } = server.address() as AddressInfo
      hosts = loopbackHosts(actual)
      subscriber.next({ port: actual, url: `http://${loopback}:${actual}/` })
    })
    return () => {
      server.close()
      server.closeAllConnections()
    }
  })
}

/**
 * Shares a folder over HTTP for as long as it is subscribed to. Emits once, when it listens; never completes.
 * Errors with `invalid-share` when the folder is missing or unreadable and as `listenError` says.
 * Unsubscribing frees the port and breaks off what is being sent. Holds at most 192 KiB of a file for each request.
 */
export function folderServer$(options: FolderServerOptions): Observable<FolderServer> {
  return defer(() => openFolder(options)).pipe(switchMap(root => listen$(root, options)))
}
