import { html, type Html } from '../protocol/html.js'
import { dashboardScript } from './dashboard-script.js'
import { dashboardStyle } from './dashboard-style.js'

/** Something static that the proxy serves. */
export interface Asset {
  readonly path: string
  readonly type: string
  readonly text: string
  /** Directives of its Content-Security-Policy beyond "nothing". */
  readonly policy?: Readonly<Record<string, string>>
}

/** What the dashboard says before the first numbers arrive. */
export interface DashboardOptions {
  readonly nickname: string
  readonly pubKey: string
  /** The peer's own data server, when it shares a folder. */
  readonly dataUrl: string | undefined
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#f5b83d" d="M18 8 31 4v8zM14 8 1 4v8z"/><path fill="#d6453d" d="M12 12h8l2 18H10z"/><path fill="#fff" d="m11.4 17h9.2l.5 5H10.9z"/><path fill="#5b6f99" d="M12 6h8v6h-8zM11 4h10l-5-3zM8 29h16v3H8z"/></svg>`

function page({ nickname, pubKey, dataUrl }: DashboardOptions): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${nickname} · Lighthouse</title>
        <link rel="icon" href="/dashboard.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/dashboard.css" />
        <script src="/dashboard.js" defer></script>
      </head>
      <body>
        <header>
          <img src="/dashboard.svg" alt="" width="40" height="40" />
          <div>
            <h1>${nickname}</h1>
            <p class="soft key" title="Your public key">${pubKey}</p>
          </div>
          <p id="hub" class="pill" role="status">connecting…</p>
        </header>
        <main>
          <form id="go">
            <label for="address">Open somebody’s share</label>
            <div class="bar">
              <input
                id="address"
                name="address"
                type="text"
                inputmode="url"
                placeholder="lighthouse://nickname/path"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-describedby="wrong"
                autofocus
              />
              <button>Open</button>
            </div>
            <p id="wrong" role="alert"></p>
            <noscript><p>Without scripts, write the address as /proxy/nickname/path yourself.</p></noscript>
          </form>
          <section class="tiles" aria-label="At a glance">
            <div class="tile">
              <h2>Coins</h2>
              <p class="figure" id="coins">–</p>
              <p class="soft">one coin is one megabyte</p>
            </div>
            <div class="tile">
              <h2><span class="down" aria-hidden="true">↓</span> Receiving</h2>
              <p class="figure" id="down">–</p>
              <svg class="spark down" viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
                <polyline id="down-line" />
              </svg>
            </div>
            <div class="tile">
              <h2><span class="up" aria-hidden="true">↑</span> Serving</h2>
              <p class="figure" id="up">–</p>
              <svg class="spark up" viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
                <polyline id="up-line" />
              </svg>
            </div>
          </section>
          <section aria-labelledby="tunnels-title">
            <h2 id="tunnels-title">Tunnels</h2>
            <ul id="tunnels" class="links"></ul>
            <p id="no-tunnels" class="soft">None yet. Open somebody’s share above, and it appears here.</p>
          </section>
          <section aria-labelledby="guests-title">
            <h2 id="guests-title">Guests</h2>
            <ul id="guests" class="links"></ul>
            <p id="no-guests" class="soft">Nobody is connected to you.</p>
          </section>
        </main>
        <footer class="soft">
          ${dataUrl === undefined ? html`<span>You share no folder.</span>` : html`<a href="${dataUrl}">What you share</a>`}
          <span id="process"></span>
        </footer>
      </body>
    </html> `
}

/** The dashboard: a page and what it loads. No inline script or style, so that its policy can allow none. */
export function dashboardAssets(options: DashboardOptions): readonly Asset[] {
  const own = "'self'"
  return [
    {
      path: '/',
      type: 'html',
      text: page(options).html,
      policy: { 'script-src': own, 'style-src': own, 'img-src': own, 'connect-src': own },
    },
    { path: '/dashboard.js', type: 'text/javascript', text: dashboardScript },
    { path: '/dashboard.css', type: 'text/css', text: dashboardStyle },
    { path: '/dashboard.svg', type: 'image/svg+xml', text: icon },
  ]
}
