/**
 * Opens two pages in Chromium that talk over WebRTC (see page.mjs), and prints what the one that asks says. Needs Chromium,
 * esbuild and playwright-core. `LIGHTHOUSE_CHROMIUM=/usr/bin/chromium node examples/browser/main.mjs`
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('page.mjs', import.meta.url))],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  write: false,
})
const script = outputFiles[0].text

const server = createServer(({ url }, response) => {
  response.setHeader('content-type', url === '/page.js' ? 'text/javascript' : 'text/html')
  response.end(
    url === '/page.js' ? script : '<!doctype html><title>A page</title><script type="module" src="/page.js"></script>',
  )
})
await once(server.listen(0, '127.0.0.1'), 'listening')
const address = `http://127.0.0.1:${server.address().port}/`

const browser = await chromium.launch({
  executablePath: process.env.LIGHTHOUSE_CHROMIUM ?? '/usr/bin/chromium',
  // Both pages are on this machine: its addresses need no name that multicast has to resolve.
  args: ['--no-sandbox', '--disable-gpu', '--disable-features=WebRtcHideLocalIpsWithMdns'],
})
try {
  // One context: a BroadcastChannel joins pages of one profile.
  const context = await browser.newContext()
  const [asking, serving] = [await context.newPage(), await context.newPage()]
  for (const page of [asking, serving]) page.on('pageerror', error => console.error(error))
  const done = new Promise(resolve => {
    asking.on('console', message => {
      console.log(message.text())
      if (message.text().startsWith('failed')) process.exitCode = 1
      if (message.text() === 'done' || process.exitCode === 1) resolve()
    })
  })
  await asking.goto(address)
  await serving.goto(`${address}#server`)
  await done
} finally {
  await browser.close()
  server.close()
}
