import { describe, expect, it } from '@jest/globals'
import { NEVER } from 'rxjs'
import { loadEngines } from '../../../src/adapters/webrtc/load.node.js'
import type { RtcPort } from '../../../src/ports.js'

const fake = (name: string): RtcPort => ({ name, connect$: () => NEVER })

describe('loadEngines', () => {
  it('takes node-datachannel, and wrtc for what only a relay over TCP can carry', async () => {
    expect(await loadEngines()).toEqual({
      rtc: expect.objectContaining({ name: 'node-datachannel' }),
      overTcp: expect.objectContaining({ name: 'wrtc' }),
    })
  })

  it('takes wrtc where node-datachannel has no binary, and says why', async () => {
    const engines = await loadEngines(name =>
      name === 'wrtc' ? Promise.resolve(fake(name)) : Promise.reject(new Error('no binary')),
    )
    expect(engines.rtc.name).toBe('wrtc')
    expect(engines.missing).toMatchObject({ code: 'invalid-option', message: 'no binary' })
  })

  it('fails where there is neither', async () => {
    await expect(loadEngines(() => Promise.reject(new Error('no binary')))).rejects.toThrow('no binary')
  })
})
