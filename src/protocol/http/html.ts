/** Text that is already HTML. Made by `html` alone, so that nothing gets into a page unescaped by accident. */
export interface Html {
  readonly html: string
}

type Part = string | number | Html | undefined | readonly Part[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as HTML text or as a quoted attribute's value. Control characters, which HTML cannot carry, become U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, found => entities[found]!).replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/g, '\ufffd')
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part))
  if (Array.isArray(part)) return part.map((item: Part) => render(item)).join('')
  return (part as Html).html
}

/** Template tag: what is put in is escaped, unless it is HTML itself. Arrays are joined, `undefined` is left out. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.map((text, index) => text + render(parts[index])).join('') }
}
