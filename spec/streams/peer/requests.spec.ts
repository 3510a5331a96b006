import { describe, expect, it } from '@jest/globals'
import { firstValueFrom, NEVER, of, throwError } from 'rxjs'
import { unknownWallet } from '../../../src/protocol/coins/wallet.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { createDefects } from '../../../src/streams/peer/defects.js'
import { initialPeerState } from '../../../src/streams/peer/peer-state.js'
import { createMemorySites } from '../../../src/streams/peer/sites.js'
import { createRequests, type RequestsOptions } from '../../../src/streams/peer/requests.js'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { createMemoryTrust } from '../../../src/streams/signaling/trust.js'
import { self } from '../../support/receipts.js'
import { connectionStats } from '../support/connection-stats.js'
import { virtualTime } from '../support/virtual-time.js'

const identity = { nickname: 'alice', pubKey: self, privKey: '', host: 'hub' }
const tunnel = { nickname: 'bob', host: '127.0.0.1', port: 42_001 } as const

/** A peer that has coins, with what it is asked to do further inside. */
function world(changes: Partial<RequestsOptions> = {}) {
  const asked: string[] = []
  const requests = createRequests({
    identity,
    hub: { balance$: () => of(5_000_000), resolve$: () => NEVER },
    trust: createMemoryTrust(),
    sites: createMemorySites(),
    crypto: nodeCrypto,
    payments: {
      wallet: { ...unknownWallet, balanceBytes: 5_000_000 },
      stop: seeder => {
        asked.push(`stop ${seeder}`)
        return undefined
      },
      forgive: key => key.length,
      lookUp$: balance$ => balance$,
    },
    connections: {
      keyOf$: nickname => {
        asked.push(`key of ${nickname}`)
        return of(`key of ${nickname}`)
      },
      offer$: nickname => {
        asked.push(`offer to ${nickname}`)
        return of({ type: 'closed', reason: new LighthouseError('peer-offline', 'away') } as const)
      },
    },
    payment: () => ({ follow: event$ => event$ }),
    clock: virtualTime().clock,
    tunnels: {
      connect$: nickname => {
        asked.push(`connect ${nickname}`)
        return of(tunnel)
      },
    },
    state: () => initialPeerState,
    defects: createDefects(),
    scheduler: virtualTime().scheduler,
    ...changes,
  })
  return { asked, requests }
}

describe('createRequests', () => {
  it.each([
    ['B', 'malformed-nickname'],
    ['', 'malformed-nickname'],
    ['alice', 'own-nickname'],
  ])('asks nobody about %j: %s', async (nickname, code) => {
    const { asked, requests } = world()
    await expect(firstValueFrom(requests.connect$(nickname))).rejects.toMatchObject({ code })
    await expect(firstValueFrom(requests.forgive$(nickname))).rejects.toMatchObject({ code })
    expect(asked).toEqual([])
  })

  it('makes a tunnel once there is something to pay with, by the limit of a peer to which it is connected', async () => {
    const connected = { ...initialPeerState, connections: new Map([['s', connectionStats('s')]]) }
    const { asked, requests } = world({ state: () => connected })
    const tunnel$ = requests.connect$('bob')
    expect(asked).toEqual([])
    expect(await firstValueFrom(tunnel$)).toBe(tunnel)
    expect(asked.at(-1)).toBe('connect bob')
    expect(asked).toContain('stop key')
  })

  it('makes no tunnel without coins', async () => {
    const wallet = { ...unknownWallet, balanceBytes: 5 }
    const payments = { wallet, stop: () => undefined, forgive: () => 0, lookUp$: () => of(5) }
    const { asked, requests } = world({ payments })
    await expect(firstValueFrom(requests.connect$('bob'))).rejects.toMatchObject({ code: 'no-coins' })
    expect(asked).toEqual([])
  })

  it('tries a connection to see whether it can be made, with the same checks before it', async () => {
    const { asked, requests } = world()
    await expect(firstValueFrom(requests.probe$('alice'))).rejects.toMatchObject({ code: 'own-nickname' })
    expect(asked).toEqual([])
    expect(await firstValueFrom(requests.probe$('bob'))).toMatchObject({ type: 'failed', code: 'peer-offline' })
    expect(asked.at(-1)).toBe('offer to bob')
  })

  it('writes off what a nickname owes by its key, and reports what fails unexpectedly', async () => {
    expect(await firstValueFrom(world().requests.forgive$('bob'))).toBe('key of bob'.length)
    const defects = createDefects()
    const reports: unknown[] = []
    defects.report$.subscribe(report => reports.push(report))
    const broken = { keyOf$: () => throwError(() => new TypeError('x')), offer$: () => NEVER }
    const { requests } = world({ connections: broken, defects })
    await expect(firstValueFrom(requests.forgive$('bob'))).rejects.toMatchObject({ code: 'internal' })
    expect(reports).toHaveLength(1)
  })

  it('shows the wallet that is known while the hub is away', async () => {
    const away = {
      resolve$: () => NEVER,
      balance$: () => throwError(() => new LighthouseError('hub-unreachable', 'away')),
    }
    expect(await firstValueFrom(world({ hub: away }).requests.balance$())).toEqual({ bytes: 5_000_000, asOfMs: 0 })
    expect(await firstValueFrom(world().requests.balance$())).toEqual({ bytes: 5_000_000, asOfMs: undefined })
  })
})
