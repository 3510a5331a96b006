/**
 * The frame of every page that this program writes itself: no script, one style that the Content-Security-Policy knows
 * by its hash, light and dark by what the system prefers.
 */
import { createHash } from 'node:crypto'
import { html, type Html } from '../../protocol/http/html.js'

const style = `:root{color-scheme:light dark;--line:#8884;--soft:#888;--link:#06c}
@media(prefers-color-scheme:dark){:root{--link:#6cf}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.25rem;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}a:hover,a:focus{text-decoration:underline}
table{width:100%;border-collapse:collapse}th{text-align:left;font-weight:400;color:var(--soft)}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.soft{color:var(--soft)}
@media(max-width:40rem){.wide{display:none}}`

const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/**
 * A Content-Security-Policy: nothing at all is allowed, framing included, but for what `directives` adds
 * (`{ 'script-src': "'self'" }`).
 */
export function contentSecurityPolicy(directives: Readonly<Record<string, string>> = {}): string {
  const all = {
    'default-src': "'none'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    ...directives,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name} ${value}`.trim())
    .join('; ')
}

/** The policy for what `renderPage` makes. */
export const pageSecurityPolicy = pagePolicy()

/** The same for a page that is allowed more. */
export function pagePolicy(directives: Readonly<Record<string, string>> = {}): string {
  return contentSecurityPolicy({ 'style-src': styleHash, ...directives })
}

/** A whole HTML document. `title` is text and gets escaped. */
export function renderPage(title: string, body: Html): string {
  const head = html`<meta charset="utf-8" /><meta name="viewport" content="width=device-width" />
    <title>${title}</title>`
  // Not through the tag: the style must stay byte for byte what was hashed.
  return `<!doctype html>\n<html lang="en"><head>${head.html}<style>${style}</style></head>\n<body>${body.html}</body></html>\n`
}
