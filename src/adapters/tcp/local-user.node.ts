/**
 * Which user of this machine connected to a loopback listener. Any user can reach 127.0.0.1, and whoever reaches the
 * proxy, a tunnel or the data server reads what is shared and spends the peer's coins.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Socket } from 'node:net'
import { endianness, platform } from 'node:os'
import { defer, from, map, type Observable, of, shareReplay } from 'rxjs'
import { maySpend, type SocketOwner, socketOwner, type TcpEnd } from '../../protocol/peer/socket-owner.js'

/** Who is at the other end of an accepted connection. */
export type LocalUser =
  /** The user this process runs as, root, or this process itself. */
  | 'own'
  /** Another user of this machine. */
  | 'other'
  /** Nobody any more: the program closed its end, or ended. */
  | 'gone'
  /** The system does not report it. */
  | 'unknown'

const littleEndian = endianness() === 'LE'

/** Local ports of connections that this process made itself. The kernel gives each to one socket at a time. */
const ownPorts = new Set<number>()

/** Calls back with the local port of a connection that this process makes when it is made, and again when it has ended. */
export function followLocalPort(socket: Socket, follow: (port: number, open: boolean) => void): void {
  socket.once('connect', () => {
    const { localPort } = socket
    if (localPort === undefined) return
    follow(localPort, true)
    socket.once('close', () => follow(localPort, false))
  })
}

/** Marks a connection that this process makes, so that its own listeners need not ask whose it is. */
export function markOwn(socket: Socket): void {
  followLocalPort(socket, (port, open) => (open ? ownPorts.add(port) : ownPorts.delete(port)))
}

/** Runs the work once for all who ask within one turn of the event loop, with what they asked, at the end of that turn. */
export function together<Question, Result>(
  work: (questions: readonly Question[]) => Result,
): (question: Question) => Promise<Result> {
  let next: { readonly questions: Question[]; readonly result: Promise<Result> } | undefined
  return question => {
    if (next !== undefined) {
      next.questions.push(question)
      return next.result
    }
    const questions = [question]
    const result = new Promise(setImmediate).then(() => {
      next = undefined
      return work(questions)
    })
    next = { questions, result }
    return result
  }
}

/** Whether these rows of a table are enough for who asks. */
export type IsEnough = (rows: string) => boolean

/** Reads the kernel's tables of TCP sockets: over IPv4, and those of programs that use an IPv6 socket for an IPv4 address. */
export interface SocketTables {
  tcp(isEnough: IsEnough): Promise<string>
  tcp6(isEnough: IsEnough): Promise<string>
}

/** More than a page, which is what the kernel gives at a time, in whole rows. */
const rowsBytes = 64 * 1024

/**
 * Reads a table until all who ask have enough. The kernel walks its whole hash table for a reading, and once more to find that
 * there is nothing left, each in some two milliseconds however few sockets there are: to stop at the row that is wanted takes a
 * quarter of that. At once, though it blocks: a read gives 27 rows, and a turn of a busy event loop for each takes far longer.
 */
function readTable(path: string, wanted: readonly IsEnough[]): string {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(rowsBytes)
    let table = ''
    let missing = wanted
    while (missing.length > 0) {
      const bytesRead = readSync(file, buffer)
      if (bytesRead === 0) break
      const rows = buffer.toString('latin1', 0, bytesRead)
      table += rows
      missing = missing.filter(isEnough => !isEnough(rows))
    }
    return table
  } finally {
    closeSync(file)
  }
}

const systemTables: SocketTables = {
  tcp: together(wanted => readTable('/proc/net/tcp', wanted)),
  tcp6: together(wanted => readTable('/proc/net/tcp6', wanted)),
}

/** The other end of a socket that listens. */
const anyone: TcpEnd = { address: '0.0.0.0', port: 0 }

async function ownerOf(tables: SocketTables, client: TcpEnd, own: TcpEnd): Promise<SocketOwner | undefined> {
  const find = (rows: string): SocketOwner | undefined => socketOwner(rows, client, own, littleEndian)
  const isFound = (rows: string): boolean => find(rows) !== undefined
  const table = await tables.tcp(isFound)
  const owner = find(table)
  if (owner !== undefined) return owner
  const mapped = find(await tables.tcp6(isFound))
  if (mapped !== undefined) return mapped
  // A table that lacks the listener, too, is none to go by.
  return socketOwner(table, own, anyone, littleEndian) && { type: 'gone' }
}

/** Asks the tables who is at the other end of an accepted loopback connection. Does not reject. */
export async function lookUp(socket: Socket, tables: SocketTables): Promise<LocalUser> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || localAddress === undefined) return 'gone'
  // After the events of this turn, among which a connection of this process learns its own port.
  await new Promise(setImmediate)
  if (ownPorts.has(remotePort!)) return 'own'
  const client = { address: remoteAddress, port: remotePort! }
  const own = { address: localAddress, port: localPort! }
  try {
    // Rows are read a few at a time while others come and go, and one may be missed.
    const first = await ownerOf(tables, client, own)
    const owner = first?.type === 'gone' ? await ownerOf(tables, client, own) : first
    if (owner?.type === 'gone') return 'gone'
    if (owner === undefined) return 'unknown'
    return maySpend(owner.uid, process.geteuid!()) ? 'own' : 'other'
  } catch {
    // No such table here, or none that may be read.
    return 'unknown'
  }
}

const found = new WeakMap<Socket, Observable<LocalUser>>()

/**
 * Emits once who is at the other end of an accepted loopback connection; asked once a connection, on the first
 * subscription. Linux only: `unknown` elsewhere, at once. Does not error. One reading of the table answers for all connections
 * that ask within one turn of the event loop.
 */
export function localUser$(socket: Socket): Observable<LocalUser> {
  if (platform() !== 'linux') return of('unknown')
  const known = found.get(socket)
  if (known !== undefined) return known
  const user$ = defer(() => from(lookUp(socket, systemTables))).pipe(shareReplay(1))
  found.set(socket, user$)
  return user$
}

/**
 * Whether the program at the other end has closed the connection, rather than ended its own side of it: both arrive as
 * an end. False if the system does not report it. Checked anew each time.
 */
export function hasLeft$(socket: Socket): Observable<boolean> {
  if (platform() !== 'linux') return of(false)
  return defer(() => from(lookUp(socket, systemTables))).pipe(map(user => user === 'gone'))
}
