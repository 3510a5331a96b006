import { describe, expect, it } from '@jest/globals'
import { firstValueFrom, of } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import type { KnownKeys } from '../../../src/ports/known-keys.js'
import { createKnownKeys } from '../../../src/streams/peer/known-keys.js'
import { createMemorySites } from '../../../src/streams/peer/sites.js'
import { createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { newKeys } from '../../support/ledger.js'

const hubKey = newKeys().pubKey
const [old, current] = [newKeys().pubKey, newKeys().pubKey]

/** Alice at a hub that she knows, where bob has the key `current`. */
function world({ signedIn = true } = {}) {
  const [trust, sites] = [createMemoryTrust(), createMemorySites()]
  if (signedIn) trust.remember('hub', 'hub.example', hubKey)
  const names = new Map([['bob', current]])
  const keys = createKnownKeys({
    identity: { nickname: 'alice', host: 'hub.example' },
    trust,
    sites,
    hub: { resolve$: nickname => of(names.get(nickname)) },
    crypto: nodeCrypto,
  })
  const bob = () => trust.known('peer', `${hubKey}/bob`)
  return { keys, trust, sites, names, bob }
}

const calls: readonly (readonly [string, (keys: KnownKeys, nickname: string) => Promise<unknown>])[] = [
  ['looks up', (keys, nickname) => firstValueFrom(keys.lookUp$(nickname))],
  ['trusts', (keys, nickname) => firstValueFrom(keys.trust$(nickname, current))],
  ['forgets', (keys, nickname) => firstValueFrom(keys.forget$(nickname))],
]

describe('createKnownKeys', () => {
  it('shows the key that is remembered beside the one of the hub, and changes nothing', async () => {
    const { keys, trust, bob } = world()
    expect(await firstValueFrom(keys.lookUp$('bob'))).toEqual({ known: undefined, current })
    expect(bob()).toBeUndefined()
    trust.remember('peer', `${hubKey}/bob`, old)
    expect(await firstValueFrom(keys.lookUp$('bob'))).toEqual({ known: old, current })
    expect(bob()).toBe(old)
  })

  it('trusts the key that was shown, and no other', async () => {
    const { keys, trust, names, bob } = world()
    trust.remember('peer', `${hubKey}/bob`, old)
    const shown = keys.trust$('bob', current)
    expect(bob()).toBe(old)
    const yetAnother = newKeys().pubKey
    names.set('bob', yetAnother)
    await expect(firstValueFrom(shown)).rejects.toMatchObject({
      code: 'key-changed',
      message: expect.stringContaining(`was ${fingerprintOf(current)}, and is now ${fingerprintOf(yetAnother)}`),
    })
    expect(bob()).toBe(old)
    names.set('bob', current)
    expect(await firstValueFrom(shown)).toEqual({ known: old, current })
    expect(bob()).toBe(current)
  })

  it('forgets a key and the decision about its site, and says so', async () => {
    const { keys, trust, sites, bob } = world()
    trust.remember('peer', `${hubKey}/bob`, old)
    sites.choose(old, 'trusted')
    sites.choose(current, 'plain')
    expect(await firstValueFrom(keys.forget$('bob'))).toEqual({ key: old, site: 'trusted' })
    expect([bob(), sites.choice(old), sites.choice(current)]).toEqual([undefined, undefined, 'plain'])
    expect(await firstValueFrom(keys.forget$('bob'))).toEqual({ key: undefined, site: undefined })
  })

  it('knows nobody at a hub at which it has never been', async () => {
    const { keys, trust } = world({ signedIn: false })
    trust.remember('peer', `${hubKey}/bob`, old)
    expect(await firstValueFrom(keys.lookUp$('bob'))).toEqual({ known: undefined, current })
    expect(await firstValueFrom(keys.forget$('bob'))).toEqual({ key: undefined, site: undefined })
    await expect(firstValueFrom(keys.trust$('bob', current))).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(trust.known('peer', `${hubKey}/bob`)).toBe(old)
  })

  it.each(calls)('%s nobody but others', async (_name, call) => {
    const { keys } = world()
    await expect(call(keys, 'alice')).rejects.toMatchObject({ code: 'own-nickname' })
    await expect(call(keys, 'B')).rejects.toMatchObject({ code: 'malformed-nickname' })
  })

  it.each(calls.slice(0, 2))('%s nobody whom the hub does not know', async (_name, call) => {
    await expect(call(world().keys, 'carol')).rejects.toMatchObject({ code: 'unknown-nickname' })
  })
})
