import { lookup } from 'mime-types'

/** Where the table of the library is behind: registered names that players know better. */
const better: Readonly<Record<string, string>> = {
  'audio/x-flac': 'audio/flac',
  'video/x-m4v': 'video/mp4',
  'text/x-nfo': 'text/plain',
}

/** Text that does not say so by its type. */
const alsoText = new Set(['application/x-subrip', 'application/json', 'application/xml', 'image/svg+xml'])

/** What a browser would run as a page of this origin. */
const active = new Set(['text/html', 'application/xhtml+xml', 'application/xml', 'text/xml', 'image/svg+xml'])

/** The `Content-Type` of a file by the ending of its name; text is UTF-8, what is unknown is bytes. */
export function contentType(name: string): string {
  const dot = name.lastIndexOf('.')
  const found = dot < 0 ? false : lookup(name.slice(dot))
  if (found === false) return 'application/octet-stream'
  const type = better[found] ?? found
  return type.startsWith('text/') || alsoText.has(type) ? `${type}; charset=utf-8` : type
}

/** Whether a browser could take files of this `Content-Type` for a page that may do things. */
export function isActiveType(type: string): boolean {
  const bare = type.split(';', 1)[0]!
  return active.has(bare) || bare.endsWith('+xml')
}
