import { describe, expect, it } from '@jest/globals'
import { escapeHtml, html } from '../../../src/protocol/http/html.js'

describe('escapeHtml', () => {
  it('leaves nothing that could end a text or a quoted attribute', () => {
    expect(escapeHtml(`<b a="1" c='2'>&amp;`)).toBe('&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;')
  })

  it('shows control characters instead of passing them on, and keeps every other character', () => {
    expect(escapeHtml('a\0b\u001b[31m\u007f')).toBe('a\ufffdb\ufffd[31m\ufffd')
    expect(escapeHtml('tab\tline\nÅ e\u0301 🎬')).toBe('tab\tline\nÅ e\u0301 🎬')
  })
})

describe('html', () => {
  it('escapes what is put in, unless it is HTML itself', () => {
    const name = '<script>'
    const inner = html`<i>${name}</i>`
    expect(html`<p>${inner}${[inner, 'x&y']}${7}${undefined}</p>`.html).toBe(
      '<p><i>&lt;script&gt;</i><i>&lt;script&gt;</i>x&amp;y7</p>',
    )
  })
})
