/**
 * Which user of this machine connected to a loopback listener. Any user can reach 127.0.0.1, and whoever reaches the
 * proxy, a tunnel or the data server reads what is shared and spends the peer's coins.
 */
import { readFile } from 'node:fs/promises'
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
  /** The system does not say. */
  | 'unknown'

const littleEndian = endianness() === 'LE'

/** Local ports of connections that this process made itself. The kernel gives each to one socket at a time. */
const ownPorts = new Set<number>()

/** Marks a connection that this process makes, so that its own listeners need not ask whose it is. */
export function markOwn(socket: Socket): void {
  socket.once('connect', () => {
    const { localPort } = socket
    if (localPort === undefined) return
    ownPorts.add(localPort)
    socket.once('close', () => ownPorts.delete(localPort))
  })
}

/**
 * Runs the work once for all who ask before it begins, and never twice at a time: whoever asks while it runs gets the
 * result of the next run, which began after the question.
 */
export function together<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  return () =>
    (next ??= running.then(() => {
      next = undefined
      const result = work()
      running = result.catch(() => undefined)
      return result
    }))
}

/** Reads the kernel's tables of TCP sockets: over IPv4, and those of programs that use an IPv6 socket for an IPv4 address. */
export interface SocketTables {
  tcp(): Promise<string>
  tcp6(): Promise<string>
}

/** The kernel walks its whole hash table for each reading, which takes some milliseconds however few sockets there are. */
const systemTables: SocketTables = {
  tcp: together(() => readFile('/proc/net/tcp', 'latin1')),
  tcp6: together(() => readFile('/proc/net/tcp6', 'latin1')),
}

/** The other end of a socket that listens. */
const anyone: TcpEnd = { address: '0.0.0.0', port: 0 }

async function ownerOf(tables: SocketTables, client: TcpEnd, own: TcpEnd): Promise<SocketOwner | undefined> {
  const table = await tables.tcp()
  const owner = socketOwner(table, client, own, littleEndian)
  if (owner !== undefined) return owner
  const mapped = socketOwner(await tables.tcp6(), client, own, littleEndian)
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
 * subscription. Linux only: `unknown` elsewhere, at once. Does not error. Holds one reading of the table at a time,
 * whatever the number of connections that wait for it.
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
 * an end. False where the system does not say. Asked anew each time.
 */
export function hasLeft$(socket: Socket): Observable<boolean> {
  if (platform() !== 'linux') return of(false)
  return defer(() => from(lookUp(socket, systemTables))).pipe(map(user => user === 'gone'))
}
