/** A place in a shared folder, as a request names it. */
export interface SharePath {
  /** From the root down; none for the root itself. Each one is a plain name of a file or folder. */
  readonly names: readonly string[]
  /** Whether it ended in a slash, as a folder's address does. */
  readonly slash: boolean
}

/** Names that are neither listed nor served: by the convention of Unix they are not for others. */
export function isHiddenName(name: string): boolean {
  return name.startsWith('.')
}

/** On Windows: separators, streams (`a:b`), wildcards, names of devices, and endings that the system drops. */
function isWindowsTrap(name: string): boolean {
  return /[\\<>:"|?*]|[. ]$/.test(name) || /^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i.test(name)
}

/** Why a file or folder in a shared folder is neither listed nor served. */
export type LeftOutReason =
  /** Its name begins with a dot. */
  | 'hidden'
  /** A peer or a hub keeps it for itself. */
  | 'private'
  /** It, or where it leads, may not be read by the user that the peer runs as. */
  | 'unreadable'
  /** Its name is not UTF-8, so no URL can name it. */
  | 'encoding'
  /** Its name means something else to the system. */
  | 'reserved'
  /** A link to nothing, or to nothing that is served. */
  | 'link'
  /** Neither a file nor a folder. */
  | 'special'

/** Why nothing of this name can be asked for; undefined when it can. */
export function unservedName(name: string, windows = false): 'hidden' | 'reserved' | undefined {
  if (isHiddenName(name)) return 'hidden'
  return name === '' || /[/\0]/.test(name) || (windows && isWindowsTrap(name)) ? 'reserved' : undefined
}

/**
 * Reads the target of a request (`/a%20b/c?query`). Slashes in a row count as one, as in a file system. `'malformed'` when
 * the percent-encoding is not of UTF-8; `'hidden'` when it names something that is never there for others: a way up, a
 * separator inside a name, a hidden name.
 */
export function parseSharePath(target: string, windows = false): SharePath | 'malformed' | 'hidden' {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
  if (!path.startsWith('/')) return 'malformed'
  let names: readonly string[]
  try {
    names = path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch {
    return 'malformed'
  }
  return names.every(name => unservedName(name, windows) === undefined)
    ? { names, slash: path.endsWith('/') }
    : 'hidden'
}
