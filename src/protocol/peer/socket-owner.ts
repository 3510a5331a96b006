/**
 * Whose program is at the other end of a loopback connection, by the table of sockets that Linux shows in
 * `/proc/net/tcp` and `tcp6` (proc_pid_net(5)): a row for each end, with the user who made it.
 */

/** One end of a TCP connection over IPv4, as a socket reports it: `127.0.0.1`, or `::ffff:127.0.0.1`. */
export interface TcpEnd {
  readonly address: string
  readonly port: number
}

/** The owner of the connecting end, by the table. */
export type SocketOwner =
  | { readonly type: 'user'; readonly uid: number }
  /** No program holds it any more: it has been closed, or its program has ended. */
  | { readonly type: 'gone' }

/** Eight hexadecimal digits in the byte order of the machine, as the kernel prints an address. */
function hexAddress(address: string, littleEndian: boolean): string {
  const bytes = address
    .replace(/^::ffff:/i, '')
    .split('.')
    .map(Number)
  return (littleEndian ? bytes.toReversed() : bytes).map(byte => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * The two columns that name a connection from `local` to `remote`, without the spaces around them. `prefix` comes before
 * each address: an IPv4 address in the IPv6 table is `::ffff:a.b.c.d`.
 */
function columns(local: TcpEnd, remote: TcpEnd, littleEndian: boolean, prefix: string): string {
  const end = ({ address, port }: TcpEnd): string =>
    `${prefix}${hexAddress(address, littleEndian)}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
  return `${end(local)} ${end(remote)}`
}

const noPrefix = ''
const mappedPrefix = (littleEndian: boolean): string => `0000000000000000${littleEndian ? 'FFFF0000' : '0000FFFF'}`

/** Looks up the end `local` of the connection to `remote`; undefined if the table has no row for it. */
export function socketOwner(
  table: string,
  local: TcpEnd,
  remote: TcpEnd,
  littleEndian: boolean,
): SocketOwner | undefined {
  for (const prefix of [noPrefix, mappedPrefix(littleEndian)]) {
    const wanted = ` ${columns(local, remote, littleEndian, prefix)} `
    const start = table.indexOf(wanted)
    if (start === -1) continue
    const end = table.indexOf('\n', start)
    const rest = table.slice(start + wanted.length, end === -1 ? undefined : end).split(/\s+/)
    // st, tx_queue:rx_queue, tr:tm->when, retrnsmt, uid, timeout, inode
    const [, , , , uid = '', , inode = ''] = rest
    // A socket that no program holds has no inode, and its user is no longer given (0, which would be root).
    return /^\d+$/.test(uid) && inode !== '0' ? { type: 'user', uid: Number(uid) } : { type: 'gone' }
  }
  return undefined
}

/** Whether a program of that user may use a peer that runs as `ownUid`: its own user's may, and root's. */
export function maySpend(uid: number, ownUid: number): boolean {
  return uid === 0 || uid === ownUid
}
