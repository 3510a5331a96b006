import { describe, expect, it } from '@jest/globals'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defer, of, throwError } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import { pendingPath, readMetadata, readPending } from '../../src/adapters/store/metadata-file.node.js'
import { run } from '../../src/cli/program.js'
import { register } from '../../src/cli/registration.js'
import type { Parts } from '../../src/cli/io.js'
import type { HubClient } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { registerText } from '../../src/protocol/signaling/signed-texts.js'
import { register as registerAt, startHub } from '../hub/support.js'
import { fakeIo, noParts } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const hub = 'http://127.0.0.1:3000'
const { pubKey: hubKey } = nodeCrypto.generateKeyPair()

/** A hub that keeps names; `loseAnswers` times it does what it is asked and the answer never arrives. */
function fakeHub(loseAnswers = 0): { readonly names: Map<string, string>; readonly parts: Parts } {
  const names = new Map<string, string>()
  let toLose = loseAnswers
  const client: HubClient = {
    health$: () => of({ hubKey }),
    head$: () => of({ hubKey, head: undefined }),
    ledger$: () => of([]),
    balance$: () => of(0),
    resolve$: nickname => defer(() => of(names.get(nickname))),
    register$: ({ nickname, pubKey, signature }) =>
      defer(() => {
        expect(nodeCrypto.verify(pubKey, registerText(nickname, pubKey), signature)).toBe(true)
        if (names.has(nickname)) return throwError(() => new LighthouseError('registration-refused', 'taken'))
        names.set(nickname, pubKey)
        if (toLose-- > 0) return throwError(() => new LighthouseError('hub-unreachable', 'lost'))
        return of(undefined)
      }),
  }
  return { names, parts: { ...noParts, hubClient: () => client } }
}

/** Where no hub is. */
const noHub: Parts = {
  ...noParts,
  hubClient() {
    const no = () => throwError(() => new LighthouseError('hub-unreachable', 'down'))
    return { health$: no, head$: no, ledger$: no, balance$: no, resolve$: no, register$: no }
  },
}

describe('register', () => {
  it('registers, and says so when it is repeated', async () => {
    const home = join(temporary(), 'home')
    const { names, parts } = fakeHub()
    const { type, identity } = await register(parts, home, hub, 'alice')
    expect(type).toBe('registered')
    expect(identity).toMatchObject({ nickname: 'alice', host: hub, pubKey: names.get('alice') })
    expect(readMetadata(home)).toEqual(identity)
    expect(readdirSync(home)).toEqual(['known_peers.json', 'metadata.json'])
    expect(await register(parts, home, '127.0.0.1:3000', 'alice')).toEqual({ type: 'already', identity })
  })

  it('registers again, with the same key, where the hub has lost it', async () => {
    const home = temporary()
    const { names, parts } = fakeHub()
    const { identity } = await register(parts, home, hub, 'alice')
    names.clear()
    expect(await register(parts, home, hub, 'alice')).toEqual({ type: 'renewed', identity })
    expect([...names]).toEqual([['alice', identity.pubKey]])
    expect(readMetadata(home)).toEqual(identity)
    expect(readdirSync(home)).toEqual(['known_peers.json', 'metadata.json'])
    expect(await register(parts, home, hub, 'alice')).toEqual({ type: 'already', identity })
  })

  it('registers again although the answer is lost, when it is repeated', async () => {
    const home = temporary()
    const { identity } = await register(fakeHub().parts, home, hub, 'alice')
    const { names, parts } = fakeHub(1)
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(names.get('alice')).toBe(identity.pubKey)
    expect(await register(parts, home, hub, 'alice')).toEqual({ type: 'already', identity })
  })

  it('refuses, and keeps the key pair, where the hub knows the name with another key by now', async () => {
    const home = temporary()
    const { names, parts } = fakeHub()
    const { identity } = await register(parts, home, hub, 'alice')
    names.set('alice', 'somebody')
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({
      code: 'registration-refused',
      message: expect.stringContaining('another key'),
      details: { nickname: 'alice' },
    })
    expect([...names]).toEqual([['alice', 'somebody']])
    expect(readMetadata(home)).toEqual(identity)
  })

  it('says so when the hub is not there to be asked, and keeps the key pair', async () => {
    const home = temporary()
    const { identity } = await register(fakeHub().parts, home, hub, 'alice')
    await expect(register(noHub, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(readMetadata(home)).toEqual(identity)
  })

  it('does not touch a home of somebody else', async () => {
    const home = temporary()
    const { parts, names } = fakeHub()
    const { identity } = await register(parts, home, hub, 'alice')
    expect(await register(parts, home, hub, 'bob')).toMatchObject({ type: 'occupied', identity })
    expect(await register(parts, home, 'http://127.0.0.1:4000', 'alice')).toMatchObject({ type: 'occupied' })
    expect(names.has('bob')).toBe(false)
    expect(readMetadata(home)).toEqual(identity)
  })

  it('completes a registration whose answer was lost, with the same key pair', async () => {
    const home = temporary()
    const { names, parts } = fakeHub(1)
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(readMetadata(home)).toBeUndefined()
    expect(readPending(home)?.pubKey).toBe(names.get('alice'))
    const { type, identity } = await register(parts, home, hub, 'alice')
    expect(type).toBe('recovered')
    expect(identity.pubKey).toBe(names.get('alice'))
    expect(readMetadata(home)).toEqual(identity)
    expect(existsSync(pendingPath(home))).toBe(false)
  })

  it('keeps the key pair of an unfinished registration when another name is asked for', async () => {
    const home = temporary()
    const { names, parts } = fakeHub(1)
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    const result = await register(parts, home, hub, 'bob')
    expect(result).toMatchObject({ type: 'registered', movedTo: expect.stringContaining('alice') })
    expect(readdirSync(home)).toHaveLength(3)
    expect(names.get('bob')).not.toBe(names.get('alice'))
  })

  it('leaves nothing behind when the name is taken', async () => {
    const home = temporary()
    const { names, parts } = fakeHub()
    names.set('alice', 'somebody')
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({ code: 'registration-refused' })
    expect(readdirSync(home)).toEqual([])
  })

  it('leaves nothing behind when the hub is not there', async () => {
    const home = join(temporary(), 'home')
    await expect(register(noHub, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(existsSync(home)).toBe(false)
  })

  it.each(['', 'Alice', 'al ice', '1a', 'a-', 'xn--a', 'é', 'x'.repeat(64), 'a\n'])(
    'refuses the nickname %j',
    async nickname => {
      await expect(register(noParts, temporary(), hub, nickname)).rejects.toMatchObject({ code: 'malformed-nickname' })
    },
  )

  it('refuses a hub that is none', async () => {
    await expect(register(noParts, temporary(), 'http://hub.example', 'alice')).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })
})

describe('register, at a hub that starts with a new database', () => {
  it('registers the same key again, where the hub lets it', async () => {
    const home = temporary()
    let at = await startHub()
    // One address, whichever hub is there.
    const parts = { hubClient: () => fetchHubClient(at.url) }
    /** A hub with a new database has a new key, too. */
    const trust = () => run(['trust', '--own-hub', '--yes', '--home', home], fakeIo(home, { parts }))
    const call = async (...argv: string[]) => {
      const io = fakeIo(home, { parts })
      const code = await run(['register', '--hub', hub, '--nickname', 'alice', '--home', home, ...argv], io)
      return { code, io }
    }
    expect((await call()).code).toBe(0)
    const { pubKey } = readMetadata(home)!
    expect((await call()).io.out()).toContain('Already registered as alice')
    at.subscription.unsubscribe()
    expect((await call('--json')).io.messages()).toMatchObject([{ error: { code: 'hub-unreachable' } }])
    at = await startHub({ registration: 'invite' })
    const other = await call('--json')
    expect([other.code, other.io.messages()]).toMatchObject([7, [{ error: { code: 'key-changed' } }]])
    expect(await trust()).toBe(0)
    const refused = await call('--json')
    expect([refused.code, refused.io.messages()]).toMatchObject([1, [{ error: { code: 'registration-refused' } }]])
    at = await startHub()
    expect(await trust()).toBe(0)
    const { code, io } = await call('--json')
    expect([code, io.messages()]).toEqual([
      0,
      [{ registered: { nickname: 'alice', hub, pubKey, fingerprint: fingerprintOf(pubKey), home } }],
    ])
    expect(await (await fetch(`${at.url}/v1/resolve/alice`)).text()).toBe(pubKey)
    at = await startHub()
    expect(await trust()).toBe(0)
    expect((await call()).io.out()).toContain('Registered again with the same key')
    at = await startHub()
    expect(await trust()).toBe(0)
    await registerAt(at, 'alice')
    const taken = await call()
    expect(taken.code).toBe(1)
    expect(taken.io.err()).toContain('This nickname is taken')
    expect(readMetadata(home)?.pubKey).toBe(pubKey)
  })
})
