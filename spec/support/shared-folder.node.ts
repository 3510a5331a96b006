import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Observable, Subscription } from 'rxjs'
import { folderServer$ } from '../../src/adapters/share/data-server.node.js'

/** A folder of the test's own with a share in it, and something beside the share that nobody may reach. */
export interface SharedFolder {
  readonly root: string
  /** Beside the root. */
  readonly outside: string
  readonly port: number
  readonly url: string
  /** TCP ports from which a peer's streams seem to dial. */
  readonly peerPorts: Set<number>
  stop(): void
}

/** The first value of an observable that stays subscribed to until `subscription` ends. */
export function hold<T>(source$: Observable<T>, subscription: Subscription): Promise<T> {
  return new Promise((resolve, reject) => {
    subscription.add(source$.subscribe({ next: resolve, error: reject }))
  })
}

/** Starts a data server on a fresh folder, somewhere in `place`. */
export async function shareFolder(
  fill: (root: string, outside: string) => Promise<void>,
  place = tmpdir(),
): Promise<SharedFolder> {
  const base = realpathSync(mkdtempSync(join(place, 'lighthouse-share-')))
  const [root, outside] = [join(base, 'share'), join(base, 'outside')]
  await mkdir(root)
  await mkdir(outside)
  await fill(root, outside)
  const peerPorts = new Set<number>()
  const subscription = new Subscription()
  const fromPeer = (port: number): string | undefined => (peerPorts.has(port) ? 'peer' : undefined)
  const { port, url } = await hold(folderServer$({ path: root, port: 0, fromPeer }), subscription)
  const stop = (): void => {
    subscription.unsubscribe()
    rmSync(base, { recursive: true, force: true })
  }
  return { root, outside, port, url, peerPorts, stop }
}
