import type { IncomingMessage, ServerResponse } from 'node:http'
import { preferredType } from './negotiation.js'
import { html } from '../../protocol/http/html.js'
import { leaveBodyUnread } from './unread-body.node.js'
import { pageSecurityPolicy, renderPage } from './page.node.js'

/** What went wrong, in words for people: `detail` says what happened, `next` what to do about it. Plain text. */
export interface Problem {
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly next: string
  /** For programs: which error it was. */
  readonly code?: string
  /** A link under the text, for people. */
  readonly link?: { readonly href: string; readonly text: string }
}

function problemPage({ status, title, detail, next, link }: Problem): string {
  const way = link && html`<p><a href="${link.href}">${link.text}</a></p>`
  return renderPage(
    title,
    html`<main>
      <h1>${title}</h1>
      <p>${detail}</p>
      <p>${next}</p>
      ${way}
      <p class="soft">${status}</p>
    </main>`,
  )
}

/**
 * Answers with an error: a page for people, `application/problem+json` (RFC 9457) for programs, by `Accept`.
 * If the answer has begun already, the connection is broken off instead, so that
 * nobody takes the part for the whole. The request's body is not waited for.
 */
export function sendProblem(req: IncomingMessage, res: ServerResponse, problem: Problem): void {
  if (res.headersSent) {
    res.destroy()
    return
  }
  leaveBodyUnread(req, res)
  const type = preferredType(req, ['application/problem+json', 'application/json', 'text/html'])
  const { status, title, detail, next, code } = problem
  const text =
    type === 'text/html'
      ? problemPage(problem)
      : `${JSON.stringify({ type: 'about:blank', title, status, detail, next, code }, null, 2)}\n`
  res.statusCode = status
  res.setHeader('Content-Type', type === 'text/html' ? 'text/html; charset=utf-8' : 'application/problem+json')
  res.setHeader('Content-Security-Policy', pageSecurityPolicy)
  res.setHeader('Content-Length', Buffer.byteLength(text))
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Vary', 'Accept')
  res.end(req.method === 'HEAD' ? undefined : text)
}

/** The answer to conditions that name another version. */
export function preconditionFailed(what: 'file' | 'folder'): Problem {
  return {
    status: 412,
    title: `The ${what} has changed`,
    detail: `The ${what} is not the version that was requested.`,
    next: 'Ask again without conditions to get it as it is now.',
  }
}
