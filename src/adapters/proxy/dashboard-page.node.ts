import { readFileSync } from 'node:fs'
import { html, type Html } from '../../protocol/http/html.js'

/** Something static that the proxy serves. */
export interface Asset {
  readonly path: string
  readonly type: string
  readonly text: string
  /** Directives of its Content-Security-Policy beyond "nothing". */
  readonly policy?: Readonly<Record<string, string>>
}

/** What the dashboard shows before the first figures arrive. */
export interface DashboardOptions {
  readonly nickname: string
  readonly fingerprint: string
  /** The peer's own data server, when it shares a folder. */
  readonly dataUrl: string | undefined
}

function page({ nickname, fingerprint, dataUrl }: DashboardOptions): Html {
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
          <div class="who">
            <h1>${nickname}</h1>
            <p class="soft key" title="The fingerprint of your key. Others see the same one for you.">${fingerprint}</p>
          </div>
          <div id="status" class="status"></div>
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
          <div id="live"></div>
        </main>
        <footer class="soft">
          ${dataUrl === undefined ? html`<span>You share no folder.</span>` : html`<a href="${dataUrl}">What you share</a>`}
          <span id="process"></span>
        </footer>
      </body>
    </html> `
}

/** What the build made of `src/web/`. */
function built(name: string): string {
  return readFileSync(new URL(`../../web/${name}`, import.meta.url), 'utf8')
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
    { path: '/dashboard.js', type: 'text/javascript', text: built('dashboard.js') },
    { path: '/dashboard.css', type: 'text/css', text: built('dashboard.css') },
    { path: '/dashboard.svg', type: 'image/svg+xml', text: built('dashboard.svg') },
  ]
}
