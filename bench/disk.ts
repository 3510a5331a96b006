/** What the disk does by itself, to judge by what is asked of it. */
import { join } from 'node:path'
import type { Backends } from './backends.js'
import { startChild } from './rpc.js'

/** How often the disk syncs by itself, a second. */
export async function measureDisk({ folder }: Backends, windowMs: number): Promise<number> {
  const child = startChild('store.child.js', {})
  const perSecond = await child.call<number>('diskSyncs', { path: join(folder, 'disk'), windowMs })
  await child.stop()
  return perSecond
}
