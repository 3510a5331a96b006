/** A place in a shared folder, as a request names it. */
export interface SharePath {
  /** From the root down; none for the root itself. Each one is a plain name of a file or folder. */
  readonly names: readonly string[]
  /** Whether it ended in a slash, as a folder's address does. */
  readonly slash: boolean
}

/**
 * Names that are neither listed nor served: those that begin with a dot, and the file with the peer's private key,
 * in case somebody shares the folder that it lies in.
 */
export function isHiddenName(name: string): boolean {
  return name.startsWith('.') || name.toLowerCase() === 'metadata.json'
}

/** On Windows: separators, streams (`a:b`), wildcards, names of devices, and endings that the system drops. */
function isWindowsTrap(name: string): boolean {
  return /[\\<>:"|?*]|[. ]$/.test(name) || /^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i.test(name)
}

/** Whether a name can be asked for at all: one part of a path, not hidden, without what a system takes for more. */
export function isServedName(name: string, windows = false): boolean {
  return name !== '' && !/[/\0]/.test(name) && !isHiddenName(name) && !(windows && isWindowsTrap(name))
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
  return names.every(name => isServedName(name, windows)) ? { names, slash: path.endsWith('/') } : 'hidden'
}
