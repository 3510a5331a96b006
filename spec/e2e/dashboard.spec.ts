import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { type Browser, chromium, type Page } from 'playwright-core'
import {
  cleanUp,
  FakeBackend,
  link,
  onCleanUp,
  type RunningProxy,
  someStats,
  startProxy,
  startUpstream,
} from '../support/proxy-fixture.node.js'
import { describeIf, findChromium, hasChromium } from '../support/requires.js'

describeIf(hasChromium(), 'needs Chromium')('the dashboard in Chromium', () => {
  let browser: Browser
  let page: Page
  let peer: FakeBackend
  let proxy: RunningProxy
  beforeAll(async () => {
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
    const args = ['--no-sandbox', '--disable-gpu', ...quiet]
    browser = await chromium.launch({ executablePath: findChromium()!, args })
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    peer = new FakeBackend()
    proxy = await startProxy(peer, 'http://127.0.0.1:42011/')
    page = await browser.newPage()
  })
  afterEach(async () => {
    await page.close()
    await cleanUp()
  })

  /** Goes into the address bar and presses return. */
  const go = async (address: string): Promise<void> => {
    await page.fill('#address', address)
    await page.press('#address', 'Enter')
  }

  it('shows who I am and what happens, as it happens, without an error', async () => {
    const complaints: string[] = []
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    await page.goto(proxy.url)
    await page.waitForSelector('#hub.good')
    expect(await page.textContent('#coins')).toBe('61.947635')
    expect(await page.textContent('#tunnels')).toContain('bob↓ 2.5 MB/s↑ 1.2 kB/s')
    const guest = { ...link, session: 'b', role: 'seeder', nickname: undefined, fingerprint: '<img src=x>' } as const
    peer.stats.next({ ...someStats, coins: 1_000_000, connections: [guest] })
    await page.waitForSelector('#coins:text-is("1.000000")')
    expect(await page.textContent('#guests .name')).toBe('<img src=x>')
    expect(await page.isVisible('#no-tunnels')).toBe(true)
    peer.stats.next({ ...someStats, hub: { type: 'stopped', code: 'session-replaced', message: 'elsewhere' } })
    await page.waitForSelector('#hub.bad')
    expect(complaints).toEqual([])
  })

  it('says so when the peer stops', async () => {
    await page.goto(proxy.url)
    await page.waitForSelector('#hub.good')
    proxy.subscription.unsubscribe()
    await page.waitForSelector('#hub.bad')
    expect(await page.textContent('#hub')).toBe('peer not running')
  })

  it('takes one connection for eight tabs, and another tab takes over from one that goes or freezes', async () => {
    const { port } = await startUpstream((_req, res) => res.end('the share'))
    peer.leadTo(port)
    const context = await browser.newContext()
    onCleanUp(() => context.close())
    const tabs = await Promise.all(Array.from({ length: 8 }, () => context.newPage()))
    let coins = 0
    /** Each of them shows what the peer says from now on. */
    const all = async (shown: readonly Page[]): Promise<void> => {
      coins += 1_000_000
      // As the peer does, again and again: who takes over starts with the newest, and tabs that wait hear the next.
      const again = setInterval(() => peer.stats.next({ ...someStats, coins }), 100)
      onCleanUp(() => clearInterval(again))
      const selector = `#coins:text-is("${coins / 1_000_000}.000000")`
      await Promise.all(shown.map(tab => tab.waitForSelector(selector)))
      clearInterval(again)
    }
    for (const tab of tabs) await tab.goto(proxy.url)
    await all(tabs)
    expect(peer.stats.observers).toHaveLength(1)
    // There is a connection left for what the user wants.
    const [listening, ...others] = tabs as [Page, ...Page[]]
    const [clicked] = others.splice(0, 1)
    await clicked!.goto(`${proxy.url}proxy/bob/`)
    expect(await clicked!.textContent('body')).toBe('the share')
    await clicked!.goBack()
    await all([listening, clicked!, ...others])

    const session = await context.newCDPSession(listening)
    await session.send('Page.setWebLifecycleState', { state: 'frozen' })
    await all(others)
    await session.send('Page.setWebLifecycleState', { state: 'active' })
    await all(tabs)
    while (peer.stats.observers.length > 1) await new Promise(setImmediate)
    await Promise.all(others.map(tab => tab.close()))
    await all([listening, clicked!])
    expect(peer.stats.observers).toHaveLength(1)
  }, 60_000)

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 640 })
    const guest = { ...link, session: 'b', role: 'seeder', nickname: undefined, fingerprint: 'W'.repeat(29) } as const
    peer.stats.next({ ...someStats, connections: [link, guest] })
    await page.goto(proxy.url)
    await page.waitForSelector('#hub.good')
    await page.waitForSelector('#guests li')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })

  it.each([
    ['lighthouse://bob/films/a b%2Fc.mp4?x=1', '/films/a%20b%2Fc.mp4?x=1'],
    ['lighthouse://bob//films//a', '//films//a'],
    ['bob', '/'],
    ['LIGHTHOUSE://Bob/100% real', '/100%25%20real'],
  ])('opens %s', async (address, path) => {
    const { port } = await startUpstream((req, res) => res.end(`asked ${req.url}`))
    peer.leadTo(port)
    await page.goto(proxy.url)
    await go(address)
    await page.waitForURL(`http://127.0.0.1:${port}${path}`)
    expect(await page.textContent('body')).toBe(`asked ${path}`)
    expect(peer.asked).toEqual(['bob'])
  })

  it.each(['', 'http://bob/', 'b_b', 'lighthouse://bob/../../stats', 'javascript:alert(1)'])(
    'opens nothing for %j',
    async address => {
      await page.goto(proxy.url)
      await go(address)
      expect(await page.textContent('#wrong')).toContain('lighthouse://nickname/path')
      expect(peer.asked).toEqual([])
    },
  )

  /** A page of another origin on this machine. Resolves when it says that it is done. */
  async function foreign(
    body: (proxyUrl: string) => string,
  ): Promise<{ readonly url: string; readonly done: Promise<void> }> {
    let finish = (): void => undefined
    const done = new Promise<void>(resolve => (finish = resolve))
    const server = createServer((req: IncomingMessage, res) => {
      if (req.url === '/done') finish()
      res.setHeader('Content-Type', 'text/html')
      res.end(req.url === '/' ? body(proxy.url) : '')
    }).listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    onCleanUp(() => {
      server.close()
      server.closeAllConnections()
    })
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, done }
  }

  it('does nothing for what a foreign page loads', async () => {
    const { url, done } = await foreign(
      target => `<script>
        const finished = [fetch('${target}proxy/bob/').catch(() => 0), fetch('${target}inline/bob/', { mode: 'no-cors', method: 'POST' }).catch(() => 0)]
        for (const name of ['img', 'iframe', 'script', 'video', 'link', 'embed']) {
          const element = document.createElement(name)
          finished.push(new Promise(resolve => { element.onload = element.onerror = resolve }))
          if (name === 'link') element.rel = 'stylesheet'
          element[name === 'link' ? 'href' : 'src'] = '${target}proxy/bob/' + name
          document.documentElement.append(element)
        }
        const socket = new WebSocket('${target.replace('http', 'ws')}proxy/bob/')
        finished.push(new Promise(resolve => { socket.onclose = resolve }))
        Promise.all(finished).then(() => fetch('/done'))
      </script>`,
    )
    await page.goto(url)
    await done
    expect(peer.asked).toEqual([])
  })

  it('does nothing for a form that a foreign page sends', async () => {
    const { url } = await foreign(
      target =>
        `<form method="post" action="${target}proxy/bob/"><input name="a"></form><script>document.forms[0].submit()</script>`,
    )
    await page.goto(url)
    await page.waitForURL(`${proxy.url}proxy/bob/`)
    expect(await page.textContent('h1')).toBe('Request from another site')
    expect(peer.asked).toEqual([])
  })

  it('asks before it follows a foreign page without a click, and goes on after one', async () => {
    const { port } = await startUpstream((_req, res) => res.end('the share'))
    peer.leadTo(port)
    const { url } = await foreign(target => `<script>location = '${target}proxy/bob/film?x'</script>`)
    await page.goto(url)
    await page.waitForURL(`${proxy.url}proxy/bob/film?x`)
    expect(await page.textContent('h1')).toBe('Connect to bob?')
    expect(peer.asked).toEqual([])
    await page.click('a')
    await page.waitForURL(`http://127.0.0.1:${port}/film?x`)
    expect(peer.asked).toEqual(['bob'])
  })
})
