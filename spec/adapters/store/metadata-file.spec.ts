import { describe, expect, it, jest } from '@jest/globals'
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeCrypto } from '../../../src/adapters/crypto/crypto.node.js'
import {
  commitPending,
  discardPending,
  hasMetadata,
  metadataPath,
  pendingPath,
  readMetadata,
  readPending,
  setPendingAside,
  writePending,
} from '../../../src/adapters/store/metadata-file.node.js'
import { formatMetadata, type Identity } from '../../../src/protocol/peer/metadata.js'
import { temporaryFolders } from '../../cli/support/temporary.js'

const temporary = temporaryFolders()
const alice = (): Identity => ({ ...nodeCrypto.generateKeyPair(), nickname: 'alice', host: 'hub.example:3000' })
const modeOf = (path: string): number => statSync(path).mode & 0o777

function write(home: string, text: string, mode = 0o600): void {
  writeFileSync(metadataPath(home), text)
  chmodSync(metadataPath(home), mode)
}

describe('metadata.json', () => {
  it('is not there in an empty home, nor in a missing one', () => {
    const home = temporary()
    expect(hasMetadata(home)).toBe(false)
    expect(readMetadata(home)).toBeUndefined()
    expect(readMetadata(join(home, 'missing'))).toBeUndefined()
  })

  it('appears whole, private, and with nothing beside it', () => {
    const home = join(temporary(), 'deep', 'home')
    const identity = alice()
    writePending(home, identity)
    expect(modeOf(home)).toBe(0o700)
    expect(modeOf(pendingPath(home))).toBe(0o600)
    expect(readPending(home)).toEqual(identity)
    commitPending(home, identity)
    expect(readdirSync(home)).toEqual(['metadata.json'])
    expect(modeOf(metadataPath(home))).toBe(0o600)
    expect(readMetadata(home)).toEqual(identity)
    expect(hasMetadata(home)).toBe(true)
  })

  it('is never replaced by a commit, and the new key pair is kept', () => {
    const home = temporary()
    const [first, second] = [alice(), alice()]
    write(home, formatMetadata(first))
    writePending(home, second)
    expect(() => commitPending(home, second)).toThrow(expect.objectContaining({ code: 'invalid-metadata' }))
    expect(readMetadata(home)).toEqual(first)
    expect(readPending(home)).toEqual(second)
  })

  it.each([0o644, 0o640, 0o604, 0o666])('is refused with mode %o, with the command that helps', mode => {
    const home = temporary()
    write(home, formatMetadata(alice()), mode)
    const path = metadataPath(home)
    expect(() => readMetadata(home)).toThrow(
      expect.objectContaining({ code: 'invalid-metadata', message: expect.stringContaining(`chmod 600 "${path}"`) }),
    )
  })

  it.each(['', '{', 'null', '{"pub_key":1}', '\0'.repeat(10)])('is refused when it is malformed: %j', text => {
    const home = temporary()
    write(home, text)
    expect(() => readMetadata(home)).toThrow(expect.objectContaining({ code: 'invalid-metadata' }))
  })

  it('is refused when its keys do not belong together, though the public half is there twice', () => {
    const home = temporary()
    const [one, other] = [alice(), alice()]
    const bytes = [other.privKey, one.pubKey].map(key => Buffer.from(key, 'base64'))
    const privKey = Buffer.concat([bytes[0]!.subarray(0, 32), bytes[1]!]).toString('base64')
    write(home, formatMetadata({ ...one, privKey }))
    expect(() => readMetadata(home)).toThrow(
      expect.objectContaining({ code: 'invalid-metadata', message: expect.stringContaining('"priv_key" belongs to') }),
    )
  })

  it('is refused when it is a folder', () => {
    const home = temporary()
    mkdirSync(metadataPath(home))
    expect(() => readMetadata(home)).toThrow(expect.objectContaining({ code: 'invalid-metadata' }))
  })

  it.each([0o755, 0o750, 0o770, 0o701, 0o777, 0o1777])(
    'is not written to a home of mode %o, which others may look into',
    mode => {
      const home = temporary()
      chmodSync(home, mode)
      expect(() => writePending(home, alice())).toThrow(
        expect.objectContaining({
          code: 'invalid-metadata',
          message: expect.stringContaining(`Run: chmod 700 "${home}"`),
        }),
      )
      expect(readdirSync(home)).toEqual([])
      expect(modeOf(home)).toBe(mode & 0o777)
      chmodSync(home, 0o700)
      writePending(home, alice())
    },
  )
})

describe('a home of somebody else', () => {
  it('is not written to', () => {
    const home = temporary()
    const { uid } = statSync(home)
    const asked = jest.spyOn(process as Required<Pick<typeof process, 'getuid'>>, 'getuid').mockReturnValue(uid + 1)
    expect(() => writePending(home, alice())).toThrow(
      expect.objectContaining({ message: expect.stringContaining('Choose one of your own with --home') }),
    )
    asked.mockRestore()
    writePending(home, alice())
  })
})

describe('a pending key pair', () => {
  it('is moved aside without loss', () => {
    const home = temporary()
    const identity = alice()
    writePending(home, identity)
    const path = setPendingAside(home, identity)
    expect(readPending(home)).toBeUndefined()
    expect(readFileSync(path, 'utf8')).toBe(formatMetadata(identity))
    expect(modeOf(path)).toBe(0o600)
  })

  it('is discarded, also when there is none', () => {
    const home = temporary()
    writePending(home, alice())
    discardPending(home)
    discardPending(home)
    expect(readdirSync(home)).toEqual([])
  })
})
