import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { type Browser, chromium, type Page } from 'playwright-core'
import { cleanUp, FakeBackend, type RunningProxy, startProxy, startUpstream } from '../support/proxy-fixture.node.js'
import { of } from 'rxjs'
import { startTunnel } from '../support/tunnel-fixture.node.js'
import { describeIf, findChromium, hasChromium } from '../support/requires.js'

describeIf(hasChromium(), 'needs Chromium')('what a peer serves inline, in Chromium', () => {
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
    proxy = await startProxy(peer)
    page = await browser.newPage()
  })
  afterEach(async () => {
    await page.close()
    await cleanUp()
  })

  /** Puts a server behind bob's tunnel. */
  async function lead(upstream: number): Promise<void> {
    const { port } = await startTunnel(() => upstream, { proxyPort: proxy.port, sites: peer.sites })
    peer.connection$ = nickname => of({ nickname, host: '127.0.0.1', port })
    peer.leadStreams(upstream)
    peer.sites.choose('bob', 'plain')
  }

  it('runs no script that a peer serves inline, and does nothing for it', async () => {
    const { port } = await startUpstream((_req, res) => {
      res.setHeader('Content-Type', 'text/html')
      res.end(
        '<h1>hello</h1><script>document.title = "owned"; fetch("/proxy/carol/")</script><img src="/proxy/carol/">',
      )
    })
    await lead(port)
    await page.goto(`${proxy.url}inline/bob/`)
    expect(await page.textContent('h1')).toBe('hello')
    expect(await page.title()).toBe('')
    expect(peer.asked).toEqual(['bob'])
  })

  it.each([
    'text/plain, text/html',
    'video/mp4, text/html',
    'application/pdf, text/html',
    'image/x+xml',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/html',
  ])('runs no script of what a peer calls %s', async type => {
    const { port } = await startUpstream((_req, res) => {
      res.setHeader('Content-Type', type)
      res.end(
        `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>fetch("/proxy/carol/"); location = "/proxy/dave/"</script></body></html>`,
      )
    })
    await lead(port)
    // Some are shown, and some are downloads.
    await page.goto(`${proxy.url}inline/bob/`).catch(() => undefined)
    await page.goto(proxy.url)
    await page.waitForSelector('#hub.good')
    expect(peer.asked).toEqual(['bob'])
  })

  it('shows a PDF that a peer serves inline, and lets its script go nowhere', async () => {
    const { port } = await startUpstream((_req, res) => {
      res.setHeader('Content-Type', 'application/pdf')
      const submit = `this.submitForm("${proxy.url}proxy/carol/")`
      res.end(redPage(`try { ${submit} } catch (error) {} app.alert("shown")`))
    })
    await lead(port)
    const alert = page.waitForEvent('dialog')
    // The page has loaded only once nobody is asked any more.
    const loaded = page.goto(`${proxy.url}inline/bob/a.pdf`)
    const dialog = await alert
    expect(dialog.message()).toBe('shown')
    await dialog.accept()
    await loaded
    const canvas = await browser.newPage()
    const red = async (): Promise<unknown> => canvas.evaluate(redShare((await page.screenshot()).toString('base64')))
    // The viewer paints some time after the page has loaded, and says nothing of it.
    while (Number(await red()) < 0.2);
    await canvas.close()
    expect(peer.asked).toEqual(['bob'])
  })
})

/** A PDF of one red page that runs a script when it is opened. */
function redPage(script: string): string {
  const paint = '1 0 0 rg 0 0 600 600 re f'
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R /OpenAction 5 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 600] /Contents 4 0 R >>',
    `<< /Length ${paint.length} >>\nstream\n${paint}\nendstream`,
    `<< /S /JavaScript /JS (${script.replace(/[()\\]/g, '\\$&')}) >>`,
  ]
  const text = objects.map((object, index) => `${index + 1} 0 obj\n${object}\nendobj\n`).join('')
  return `%PDF-1.4\n${text}trailer << /Size ${objects.length + 1} /Root 1 0 R >>\n%%EOF\n`
}

/** Says, in a page, how much of a PNG is red. */
function redShare(base64: string): string {
  return `(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${base64}'
    await image.decode()
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext('2d')
    context.drawImage(image, 0, 0)
    const { data } = context.getImageData(0, 0, image.width, image.height)
    let red = 0
    for (let at = 0; at < data.length; at += 4) if (data[at] > 200 && data[at + 1] < 60 && data[at + 2] < 60) red += 1
    return red / (data.length / 4)
  })()`
}
