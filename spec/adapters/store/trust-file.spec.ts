import { describe, expect, it } from '@jest/globals'
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import { openTrustFile, trustPath } from '../../../src/adapters/store/trust-file.node.js'
import { checkKey } from '../../../src/streams/signaling/trust.js'
import { temporaryFolders } from '../../cli/support/temporary.js'

const temporary = temporaryFolders()
const key = (): string => nodeCrypto.generateKeyPair().pubKey

describe('known_peers.json', () => {
  it('remembers a key on first use and recognises a different one, across openings', () => {
    const home = join(temporary(), 'home')
    const [first, other] = [key(), key()]
    const trust = openTrustFile(home)
    expect(checkKey(trust, 'peer', 'hub/alice', first)).toBeUndefined()
    expect(checkKey(trust, 'peer', 'hub/alice', first)).toBeUndefined()
    expect(checkKey(trust, 'peer', 'hub/alice', other)).toBe(first)
    const again = openTrustFile(home)
    expect(checkKey(again, 'peer', 'hub/alice', other)).toBe(first)
    expect(checkKey(again, 'peer', 'hub/alice', first)).toBeUndefined()
  })

  it('takes another key, or none, across openings, and leaves the others', () => {
    const home = temporary()
    const [first, other] = [key(), key()]
    const trust = openTrustFile(home)
    for (const name of ['hub/alice', 'hub/bob']) trust.remember('peer', name, first)
    trust.remember('peer', 'hub/alice', other)
    expect(openTrustFile(home).known('peer', 'hub/alice')).toBe(other)
    trust.forget('peer', 'hub/alice')
    trust.forget('peer', 'hub/nobody')
    expect(['hub/alice', 'hub/bob'].map(name => openTrustFile(home).known('peer', name))).toEqual([undefined, first])
  })

  it('keeps hubs and peers apart', () => {
    const trust = openTrustFile(temporary())
    expect(checkKey(trust, 'hub', 'name', key())).toBeUndefined()
    expect(checkKey(trust, 'peer', 'name', key())).toBeUndefined()
  })

  it.each(['__proto__', 'constructor', 'toString'])('takes %s for an ordinary name', name => {
    const home = temporary()
    const first = key()
    expect(checkKey(openTrustFile(home), 'hub', name, first)).toBeUndefined()
    expect(checkKey(openTrustFile(home), 'hub', name, key())).toBe(first)
  })

  it('is private, whole, and written only for new names', () => {
    const home = temporary()
    const trust = openTrustFile(home)
    const first = key()
    expect(readdirSync(home)).toEqual([])
    checkKey(trust, 'hub', 'h', first)
    const { ino, mode } = statSync(trustPath(home))
    expect(mode & 0o777).toBe(0o600)
    checkKey(trust, 'hub', 'h', first)
    checkKey(trust, 'hub', 'h', key())
    expect(statSync(trustPath(home)).ino).toBe(ino)
    expect(readdirSync(home)).toEqual(['known_peers.json'])
  })

  it.each(['', '[]', '{}', '{"version":2,"hub":{},"peer":{}}', '{"version":1,"hub":{"a":"short"},"peer":{}}'])(
    'says so when it is malformed, and leaves it as it is: %j',
    text => {
      const home = temporary()
      writeFileSync(trustPath(home), text, { mode: 0o600 })
      expect(() => openTrustFile(home)).toThrow(expect.objectContaining({ code: 'store-failed' }))
      expect(readFileSync(trustPath(home), 'utf8')).toBe(text)
    },
  )

  it('is refused when others may read it', () => {
    const home = temporary()
    checkKey(openTrustFile(home), 'hub', 'h', key())
    chmodSync(trustPath(home), 0o644)
    expect(() => openTrustFile(home)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('chmod 600') }),
    )
  })

  it('does not trust a key that it could not keep', () => {
    const home = temporary()
    const trust = openTrustFile(home)
    chmodSync(home, 0o777)
    const first = key()
    expect(() => checkKey(trust, 'hub', 'h', first)).toThrow(expect.objectContaining({ code: 'store-failed' }))
    chmodSync(home, 0o700)
    expect(checkKey(trust, 'hub', 'h', key())).toBeUndefined()
  })
})
