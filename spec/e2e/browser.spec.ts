/**
 * First contact, as a person has it: the dashboard, somebody's folder, the film that is in it.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type Browser, chromium, type Page } from 'playwright-core'
import { clusters, startCli } from '../support/cluster.node.js'
import { describeIf, findChromium } from '../support/requires.js'

const media = fileURLToPath(new URL('../../../media', import.meta.url))
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']

interface Player {
  muted: boolean
  currentTime: number
  readonly paused: boolean
  readonly ended: boolean
  readonly readyState: number
  readonly videoWidth: number
  play(): Promise<void>
}

/** What the functions below find in the page, where they run. */
declare const document: { querySelector(selector: string): Player | null }

/** In the page: starts the film, and says whether it has come so far. */
function playsBeyond(seconds: number): boolean {
  const player = document.querySelector('video')
  if (player === null) return false
  player.muted = true
  if (player.paused && !player.ended) void player.play()
  return player.readyState >= 2 && player.currentTime > seconds
}

describeIf(findChromium(), 'needs Chromium')('a film in a browser', () => {
  const startCluster = clusters()
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: findChromium()!,
      args: ['--no-sandbox', '--disable-gpu', ...quiet],
    })
  })
  afterAll(() => browser.close())

  /** From the dashboard by clicks to bob's film, which plays on from the middle too. What the pages complained of. */
  async function watch(page: Page, dashboard: string): Promise<readonly string[]> {
    const complaints: string[] = []
    page.on('pageerror', error => complaints.push(error.message))
    page.on('console', message => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    await page.goto(dashboard)
    await page.waitForSelector('#hub.good')
    await page.fill('#address', 'bob')
    await page.click('#go button')
    await page.waitForSelector('text=Test film.mp4')
    // The tunnel's own origin, and what somebody would bookmark leads to the same place.
    const { origin } = new URL(page.url())
    expect(origin).not.toBe(new URL(dashboard).origin)
    await page.goto(`${dashboard}proxy/bob/`)
    expect(page.url()).toBe(`${origin}/`)
    await page.click('text=Test film.mp4')
    await page.waitForFunction(playsBeyond, 0.5)
    await page.evaluate(() => void (document.querySelector('video')!.currentTime = 6))
    await page.waitForFunction(playsBeyond, 6.2)
    expect(await page.evaluate(() => document.querySelector('video')!.videoWidth)).toBe(640)
    await page.goto(dashboard)
    await page.waitForSelector('#tunnels .name:text-is("bob")')
    return complaints
  }

  it('plays out of another peer’s folder', async () => {
    const { peers, stop } = await startCluster({ alice: {}, bob: { share: media } })
    const page = await browser.newPage()
    expect(await watch(page, peers.alice!.proxy)).toEqual([])
    await page.close()
    await stop()
  })

  it('plays in the demo', async () => {
    const demo = startCli(['demo', '--json', '--port-base', '0'], media)
    try {
      const { alice, film } = (await demo.line(({ type }) => type === 'ready')) as Record<string, string>
      const page = await browser.newPage()
      expect(await watch(page, alice!)).toEqual([])
      // What the demo itself tells to open.
      await page.goto(film!)
      await page.waitForFunction(playsBeyond, 0.5)
      await page.close()
    } finally {
      await demo.end('SIGINT')
    }
    expect(await demo.ended).toMatchObject({ code: 0, err: '' })
  })
})
