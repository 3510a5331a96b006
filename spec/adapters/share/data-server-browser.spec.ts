import { expect, it } from '@jest/globals'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { Subscription } from 'rxjs'
import { folderServer$ } from '../../../src/adapters/share/data-server.node.js'
import { describeIf, findChromium } from '../../support/requires.js'
import { hold } from '../../support/shared-folder.node.js'

const media = fileURLToPath(new URL('../../../../media', import.meta.url))
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

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
declare const document: {
  querySelector(selector: string): Player | null
  readonly images: readonly { readonly naturalWidth: number }[]
}

/** In the page: starts the film or sound that it shows, and says whether it has come so far. */
function playsBeyond(seconds: number): boolean {
  const player = document.querySelector('video, audio')
  if (player === null) return false
  player.muted = true
  if (player.paused && !player.ended) void player.play()
  return player.readyState >= 2 && player.currentTime > seconds
}

describeIf(findChromium(), 'needs Chromium')('the samples in a browser', () => {
  it('are listed, play, and can be jumped around in', async () => {
    const subscription = new Subscription()
    let browser: Browser | undefined
    try {
      const { url } = await hold(folderServer$({ path: media, port: 0, fromPeer: () => undefined }), subscription)
      browser = await chromium.launch({ executablePath: findChromium()!, args: flags })
      const page = await browser.newPage()
      const refused: string[] = []
      page.on('console', message => {
        if (message.text().includes('Content Security Policy')) refused.push(message.text())
      })
      await page.goto(url)
      expect(await page.evaluate("getComputedStyle(document.querySelector('td.number')).textAlign")).toBe('right')
      await page.click('text=Test film.mp4')
      await page.waitForFunction(playsBeyond, 0.5)
      await page.evaluate(() => void (document.querySelector('video')!.currentTime = 6))
      await page.waitForFunction(playsBeyond, 6.2)
      expect(await page.evaluate(() => document.querySelector('video')!.videoWidth)).toBe(640)
      await page.goto(`${url}Chord.mp3`)
      await page.waitForFunction(playsBeyond, 0.5)
      await page.goto(url)
      await page.click('text=Pictures')
      await page.click('text=Mandelbrot.jpg')
      expect(await page.evaluate(() => document.images[0]!.naturalWidth)).toBe(960)
      expect(refused).toEqual([])
    } finally {
      await browser?.close()
      subscription.unsubscribe()
    }
  })
})
