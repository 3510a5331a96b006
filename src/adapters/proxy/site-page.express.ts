/**
 * The page that asks what another peer's own site may do: run what its pages bring, and fetch more on their own. It is on the
 * proxy's origin, where no page of theirs can read it.
 */
import { randomBytes } from 'node:crypto'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import type { Sites } from '../../ports/sites.js'
import { html } from '../../protocol/http/html.js'
import { parsePeerTarget } from '../../protocol/http/peer-target.js'
import { isNickname } from '../../protocol/peer/nickname.js'
import { isToken } from './token.node.js'
import { pagePolicy, renderPage } from '../http/page.node.js'

/** What the buttons send. */
type Decision = 'plain' | 'trusted' | 'more'

function isDecision(value: unknown): value is Decision {
  return value === 'plain' || value === 'trusted' || value === 'more'
}

/** A path of the peer's, as it is put behind `/proxy/nickname`; the root for anything else. */
function pathFrom(value: unknown): string {
  const path = typeof value === 'string' && value.startsWith('/') ? value : '/'
  return parsePeerTarget(`/proxy/a${path}`)?.path ?? '/'
}

function page(nickname: string, path: string, token: string, choice: ReturnType<Sites['choice']>): string {
  const button = (decision: Decision, text: string) =>
    html`<p>
      <button name="decision" value="${decision}">${text}</button>
    </p>`
  return renderPage(
    `The site of ${nickname}`,
    html`<main>
      <h1>The site of ${nickname}</h1>
      <p>
        ${
          choice === undefined
            ? `What ${nickname} serves is a site of its own, which can run programs in your browser. Without them it can only be read.`
            : `The pages of ${nickname} have fetched 10 coins’ worth by themselves within an hour.`
        }
      </p>
      <form method="post" action="/sites/${nickname}">
        <input type="hidden" name="token" value="${token}" />
        <input type="hidden" name="to" value="${path}" />
        ${choice === undefined ? button('plain', 'Open it to read') : button('more', 'Let them fetch as much again')}
        ${choice === 'trusted' ? undefined : button('trusted', `Trust ${nickname}: let its pages run programs`)}
        ${choice === 'trusted' ? button('plain', 'Trust it no longer') : undefined}
      </form>
    </main>`,
  )
}

/** Adds the page and what its buttons do, which needs a token of this run that only the page carries. */
export function sitePages(app: Express, sites: Sites): void {
  const token = randomBytes(16).toString('base64url')
  const forPeer =
    (handle: (req: Request, res: Response, nickname: string) => void): RequestHandler =>
    (req, res, next) => {
      const nickname = String(req.params['nickname'])
      if (isNickname(nickname)) handle(req, res, nickname)
      else next()
    }
  app.get(
    '/sites/:nickname',
    forPeer((req, res, nickname) => {
      const path = pathFrom(new URL(req.originalUrl, 'http://localhost').searchParams.get('to'))
      // Buttons lead on to the peer's own host.
      const targets = `'self' http://127.0.0.1:* http://${nickname}.localhost:*`
      res.setHeader('Content-Security-Policy', pagePolicy({ 'form-action': targets }))
      res.setHeader('Cache-Control', 'no-store')
      // With none, what the buttons send has no origin.
      res.setHeader('Referrer-Policy', 'same-origin')
      res.type('html').send(page(nickname, path, token, sites.choice(nickname)))
    }),
  )
  app.post(
    '/sites/:nickname',
    express.urlencoded({ extended: false, limit: '64kb' }),
    forPeer((req, res, nickname) => {
      const { token: presented, to, decision } = (req.body ?? {}) as Record<string, unknown>
      if (!isToken(presented, token) || !isDecision(decision)) return void res.redirect(303, `/sites/${nickname}`)
      if (decision === 'more') sites.allowMore(nickname)
      else sites.choose(nickname, decision)
      res.redirect(303, `/proxy/${nickname}${pathFrom(to)}`)
    }),
  )
}
