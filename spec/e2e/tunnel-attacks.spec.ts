import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { of, throwError } from 'rxjs'
import { LighthouseError } from '../../src/protocol/errors.js'
import { cleanUp, FakeBackend, type RunningProxy, startProxy, startUpstream } from '../support/proxy-fixture.node.js'
import { describeIf, findChromium, hasChromium } from '../support/requires.js'
import { startTunnel, type TunnelFixture } from '../support/tunnel-fixture.node.js'

type Serve = (req: IncomingMessage, res: ServerResponse) => void

const html = (res: ServerResponse, body: string, headers: Record<string, string> = {}): void =>
  void res.writeHead(200, { 'content-type': 'text/html', ...headers }).end(body)

describeIf(hasChromium(), 'needs Chromium')('pages of other peers, in Chromium', () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let peer: FakeBackend
  let proxy: RunningProxy
  beforeAll(async () => {
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
    // A name of the network that leads here, as one does after rebinding.
    const rebound = '--host-resolver-rules=MAP rebound.example 127.0.0.1'
    const args = ['--no-sandbox', '--disable-gpu', rebound, ...quiet]
    browser = await chromium.launch({ executablePath: findChromium()!, args })
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    peer = new FakeBackend()
    proxy = await startProxy(peer)
    context = await browser.newContext()
    page = await context.newPage()
  })
  afterEach(async () => {
    await context.close()
    await cleanUp()
  })

  /** A peer's tunnel, whose site can be changed; with what was asked of it. */
  async function peerWith(serve: Serve, nickname = 'bob') {
    const asked: string[] = []
    const { port } = await startUpstream((req, res) => {
      asked.push(String(req.url))
      serve(req, res)
    })
    const tunnel = await startTunnel(() => port, { nickname, proxyPort: proxy.port, sites: peer.sites })
    const before = peer.connection$
    peer.connection$ = name =>
      name === nickname ? of({ nickname, host: '127.0.0.1', port: tunnel.port }) : before(name)
    peer.leadStreams(port)
    return { tunnel, asked, url: `http://${nickname}.localhost:${tunnel.port}` }
  }
  /** A page of somebody else's on this machine, under a name of its own. */
  async function foreign(body: string): Promise<string> {
    const { port } = await startUpstream((_req, res) => html(res, body))
    return `http://rebound.example:${port}/`
  }
  const trust = (nickname = 'bob'): void => peer.sites.choose(nickname, 'trusted')
  const outcome = (url: string, init = '{}'): string =>
    `fetch(${JSON.stringify(url)}, ${init}).then(r => r.status, () => 'failed')`

  it('are asked about once, shown without their programs, and run when they are trusted', async () => {
    const { url } = await peerWith((_req, res) => html(res, '<h1>hello</h1><script>document.title = "ran"</script>'))
    await page.goto(`${proxy.url}proxy/bob/`)
    expect(new URL(page.url()).host).toBe(`127.0.0.1:${proxy.port}`)
    expect(await page.textContent('h1')).toBe('The site of bob')
    await page.click('text=Open it to read')
    await page.waitForURL(`${url}/`)
    expect([await page.textContent('h1'), await page.title()]).toEqual(['hello', ''])
    await page.goto(`${proxy.url}sites/bob?to=%2Fx`)
    await page.click('text=Trust bob')
    await page.waitForURL(`${url}/x`)
    expect(await page.title()).toBe('ran')
  })

  it('leave no service worker that answers for the next peer', async () => {
    const { asked, url } = await peerWith((req, res) => {
      if (req.url !== '/sw.js') return html(res, '<h1>bob</h1>')
      res.writeHead(200, { 'content-type': 'text/javascript', 'service-worker-allowed': '/' })
      res.end('self.onfetch = event => event.respondWith(new Response("owned"))')
    })
    trust()
    await page.goto(`${url}/`)
    expect(await page.evaluate(`navigator.serviceWorker.register('/sw.js').then(() => 'yes', () => 'no')`)).toBe('no')
    expect(asked).not.toContain('/sw.js')
  })

  it('leave nothing to the peer that has their port next', async () => {
    const carol: Serve = (_req, res) => html(res, '<h1>carol</h1>')
    const bob: Serve = (req, res) =>
      req.url === '/moved'
        ? void res.writeHead(301, { location: '/', 'cache-control': 'max-age=99999' }).end()
        : html(res, '<h1>bob</h1>', { 'cache-control': 'max-age=99999', 'set-cookie': 'owned=1; Path=/' })
    let serve = bob
    const { tunnel } = await peerWith((req, res) => serve(req, res))
    trust()
    trust('carol')
    await page.goto(`http://bob.localhost:${tunnel.port}/moved`)
    await page.evaluate(`localStorage.setItem('owned', '1'); document.cookie = 'script=1; path=/'`)
    tunnel.close()
    serve = carol
    // The same port, as after a rotation.
    const next = await startTunnelAt(tunnel.port, 'carol')
    await page.goto(`http://127.0.0.1:${next.port}/`)
    expect(page.url()).toBe(`http://carol.localhost:${next.port}/`)
    expect(await page.textContent('h1')).toBe('carol')
    expect(await page.evaluate(`[localStorage.length, document.cookie]`)).toEqual([0, ''])
    await page.goto(`http://carol.localhost:${next.port}/moved`)
    expect(page.url()).toBe(`http://carol.localhost:${next.port}/moved`)
    // A bookmark of bob's is never answered by carol.
    peer.connection$ = () => throwError(() => new LighthouseError('peer-offline', 'bob is not signed in'))
    const answer = await page.goto(`http://bob.localhost:${next.port}/`)
    expect([answer!.url(), answer!.status()]).toEqual([`${proxy.url}proxy/bob/`, 502])
  })

  it('set no cookie that other services of this machine get', async () => {
    const { url } = await peerWith((_req, res) => html(res, 'x', { 'set-cookie': 'big=1; Path=/' }))
    trust()
    await page.goto(`${url}/`)
    await page.evaluate(
      `document.cookie = 'mine=1; path=/; domain=localhost'; document.cookie = 'theirs=1; domain=127.0.0.1'`,
    )
    expect((await context.cookies()).map(({ name }) => name)).toEqual([])
  })

  it('reach neither the proxy nor other tunnels nor other services', async () => {
    const carol = await peerWith((_req, res) => html(res, 'carol'), 'carol')
    const { url } = await peerWith((_req, res) => html(res, '<h1>bob</h1>'))
    trust()
    await page.goto(`${url}/`)
    const targets = [
      `${proxy.url}stats`,
      `${proxy.url}proxy/carol/`,
      `${proxy.url}inline/carol/`,
      `${carol.url}/`,
      `http://127.0.0.1:${carol.tunnel.port}/`,
    ]
    for (const target of targets) {
      expect(await page.evaluate(outcome(target))).toBe('failed')
      expect(await page.evaluate(outcome(target, `{mode: 'no-cors', method: 'POST', body: 'x'}`))).not.toBe(200)
      await page.evaluate(
        `new Promise(done => Object.assign(new Image(), { src: ${JSON.stringify(target)}, onload: done, onerror: done }))`,
      )
      const socket = target.replace('http', 'ws')
      const opened = `new Promise(done => Object.assign(new WebSocket(${JSON.stringify(socket)}), { onopen: () => done(true), onerror: () => done(false) }))`
      expect(await page.evaluate(opened)).toBe(false)
    }
    expect([carol.asked, peer.asked]).toEqual([[], []])
  })

  it('of another site open no tunnel and spend nothing, whatever they embed', async () => {
    const bob = await peerWith((_req, res) => html(res, 'x'.repeat(1_000)))
    const at = (path: string): string[] => [
      `http://127.0.0.1:${bob.tunnel.port}${path}`,
      `${bob.url}${path}`,
      `${proxy.url}proxy/bob${path}`,
      `${proxy.url}inline/bob${path}`,
    ]
    const all = at('/film')
    const embedded = all
      .map(
        url =>
          `<img src="${url}"><video src="${url}"></video><script src="${url}"></script><iframe src="${url}"></iframe>`,
      )
      .join('')
    await page.goto(await foreign(`<h1>free</h1>${embedded}<link rel="stylesheet" href="${all[0]}">`))
    for (const url of all) {
      expect(await page.evaluate(outcome(url, `{mode: 'no-cors'}`))).not.toBe(200)
      await page.evaluate(`navigator.sendBeacon(${JSON.stringify(url)}, 'x')`)
    }
    // And what sends the browser there by itself.
    for (const url of all) {
      await page.goto(await foreign(`<script>location = ${JSON.stringify(url)}</script>`))
      await page.waitForSelector('main a')
      expect(await page.textContent('body')).toMatch(/Nothing has been done/)
    }
    expect([bob.asked, peer.asked]).toEqual([[], []])
  })

  it('under a name that was rebound are not served', async () => {
    const bob = await peerWith((_req, res) => html(res, 'secret'))
    for (const port of [bob.tunnel.port, proxy.port]) {
      const answer = await page.goto(`http://rebound.example:${port}/`)
      expect(answer!.status()).toBe(421)
    }
    expect(bob.asked).toEqual([])
  })

  it('fetch 10 coins’ worth an hour by themselves, and the user is asked for more', async () => {
    let sent = 0
    const bob = await peerWith((req, res) => {
      if (req.url === '/leave') return html(res, '<script>location = "/"</script>')
      if (req.url !== '/big') return html(res, '<h1>bob</h1><a href="/leave">next</a>')
      const write = (): void => {
        if (res.destroyed) return
        sent += 65_536
        res.write(Buffer.alloc(65_536), () => setImmediate(write))
      }
      res.writeHead(200, { 'content-type': 'application/octet-stream' })
      write()
    })
    trust()
    await page.goto(`${bob.url}/`)
    const got = `fetch('/big').then(async r => { let n = 0; const reader = r.body.getReader(); try { for (;;) { const { done, value } = await reader.read(); if (done) break; n += value.length } } catch {} return n })`
    const received = (await page.evaluate(got)) as number
    expect(received).toBeLessThanOrEqual(10_000_000)
    expect(received).toBeGreaterThan(9_000_000)
    expect(await page.evaluate(outcome('/big'))).toBe(403)
    // What the user does is not counted, and what the page does is asked about.
    await page.click('text=next')
    await page.waitForURL(/\/sites\/bob/)
    expect(bob.asked).toContain('/leave')
    await page.click('text=Let them fetch as much again')
    await page.waitForURL(`${bob.url}/`)
    expect(await page.evaluate(outcome('/next'))).toBe(200)
    expect(sent).toBeGreaterThan(0)
  })

  /** The tunnel of that peer on a port that another one had. */
  async function startTunnelAt(port: number, nickname: string): Promise<TunnelFixture> {
    return startTunnel(() => peer.streamPort, { nickname, port, proxyPort: proxy.port, sites: peer.sites })
  }
})
