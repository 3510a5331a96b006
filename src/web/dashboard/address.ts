import { isNickname } from '../../protocol/peer/nickname.js'

/**
 * `lighthouse://bob/films/a b.mp4`, or the same without the scheme, as the proxy's path for it: `/proxy/bob/films/a%20b.mp4`.
 * Undefined for anything else.
 */
export function proxyPathOf(address: string): string | undefined {
  const [, name = '', path = '/'] = /^(?:lighthouse:\/\/)?([^/]*)(\/.*)?$/i.exec(address.trim()) ?? []
  const nickname = name.toLowerCase()
  if (!isNickname(nickname)) return undefined
  const mount = `/proxy/${nickname}/`
  // A percent sign that begins no escape stands for itself.
  const rest = path.slice(1).replace(/%(?![0-9a-f]{2})/gi, '%25')
  const { pathname, search, hash } = new URL(mount + rest, 'http://localhost')
  // Dots may lead out of what is somebody's.
  return pathname.startsWith(mount) ? pathname + search + hash : undefined
}
