import { describe, expect, it } from '@jest/globals'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defer, of, throwError } from 'rxjs'
import { nodeCrypto } from '../../src/adapters/crypto.node.js'
import { pendingPath, readMetadata, readPending } from '../../src/adapters/metadata-file.node.js'
import { register } from '../../src/cli/registration.js'
import type { Parts } from '../../src/cli/io.js'
import type { HubClient } from '../../src/ports.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { registerText } from '../../src/protocol/signed-texts.js'
import { noParts } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const hub = 'http://127.0.0.1:3000'

/** A hub that keeps names; `loseAnswers` times it does what it is asked and the answer never arrives. */
function fakeHub(loseAnswers = 0): { readonly names: Map<string, string>; readonly parts: Parts } {
  const names = new Map<string, string>()
  let toLose = loseAnswers
  const client: HubClient = {
    health$: () => of({ hubKey: 'key' }),
    head$: () => of({ hubKey: 'key', head: undefined }),
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

describe('register', () => {
  it('registers, and says so when it is repeated', async () => {
    const home = join(temporary(), 'home')
    const { names, parts } = fakeHub()
    const { type, identity } = await register(parts, home, hub, 'alice')
    expect(type).toBe('registered')
    expect(identity).toMatchObject({ nickname: 'alice', host: hub, pubKey: names.get('alice') })
    expect(readMetadata(home)).toEqual(identity)
    expect(readdirSync(home)).toEqual(['metadata.json'])
    expect(await register(parts, home, '127.0.0.1:3000', 'alice')).toEqual({ type: 'already', identity })
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
    expect(readdirSync(home)).toHaveLength(2)
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
    const down = throwError(() => new LighthouseError('hub-unreachable', 'down'))
    const no = () => down
    const client: HubClient = { health$: no, head$: no, ledger$: no, balance$: no, resolve$: no, register$: no }
    const parts = { ...noParts, hubClient: () => client }
    await expect(register(parts, home, hub, 'alice')).rejects.toMatchObject({ code: 'hub-unreachable' })
    expect(existsSync(home)).toBe(false)
  })

  it.each(['', 'Alice', 'al ice', 'a1', 'é', 'x'.repeat(64), 'a\n'])('refuses the nickname %j', async nickname => {
    await expect(register(noParts, temporary(), hub, nickname)).rejects.toMatchObject({ code: 'malformed-nickname' })
  })

  it('refuses a hub that is none', async () => {
    await expect(register(noParts, temporary(), 'http://hub.example', 'alice')).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })
})
