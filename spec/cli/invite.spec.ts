import { describe, expect, it } from '@jest/globals'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstValueFrom, type Observable, throwError } from 'rxjs'
import { fingerprintOf, nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { fetchHubClient } from '../../src/adapters/hub/http-client.js'
import { commitPending, readMetadata, writePending } from '../../src/adapters/store/metadata-file.node.js'
import { openTrustFile } from '../../src/adapters/store/trust-file.node.js'
import { run } from '../../src/cli/program.js'
import { createInvites$, type Hub } from '../../src/hub/app.js'
import { type PeerOptions, portBlock } from '../../src/index.js'
import { LighthouseError } from '../../src/protocol/errors.js'
import { formatInvitation, parseInvitation } from '../../src/protocol/peer/invitation.js'
import { startHub } from '../hub/support.js'
import { newKeys } from '../support/ledger.js'
import { fakeIo } from './support/fake-io.js'
import { temporaryFolders } from './support/temporary.js'

const temporary = temporaryFolders()
const { sha256 } = nodeCrypto

async function call(argv: readonly string[], home: string, given: Parameters<typeof fakeIo>[1] = {}) {
  const io = fakeIo(home, { parts: { hubClient: url => fetchHubClient(url) }, ...given })
  return { code: await run([...argv, '--home', home], io), io }
}

/** The home of somebody who has registered at this hub. */
async function member(hub: Hub, nickname: string, ...more: readonly string[]): Promise<string> {
  const home = join(temporary(), nickname)
  expect((await call(['register', '--hub', hub.url, '--nickname', nickname, ...more], home)).code).toBe(0)
  return home
}

/** The home of somebody who is known to nobody but itself, at this hub. */
function homeAt(hub: Hub, nickname: string): string {
  const home = join(temporary(), nickname)
  const identity = { ...nodeCrypto.generateKeyPair(), nickname, host: hub.url }
  writePending(home, identity)
  commitPending(home, identity)
  openTrustFile(home).remember('hub', hub.url, hub.hubKey)
  return home
}

async function invitation(home: string, ...more: readonly string[]): Promise<string> {
  const { code, io } = await call(['invite', ...more], home)
  expect([code, io.out()]).toEqual([0, expect.stringMatching(/^lighthouse:\/\/join\/[\w-]+\n$/)])
  return io.out().trim()
}

describe('invite', () => {
  it('makes a link with the hub, its key and who invites, and draws it on a terminal', async () => {
    const hub = await startHub()
    const home = await member(hub, 'alice')
    const link = await invitation(home)
    const { pubKey } = readMetadata(home)!
    const host = new URL(hub.url).host
    expect(parseInvitation(link, sha256)).toEqual({
      hub: host,
      hubKey: hub.hubKey,
      nickname: 'alice',
      pubKey,
      code: undefined,
    })
    const drawn = await call(['invite'], home, { terminal: true })
    expect(drawn.io.out()).toMatch(new RegExp(`^${link}\\n\\n\\u001b\\[38;5;231;48;5;16m█+\\u001b\\[0m\\n`))
    expect(drawn.io.err()).toContain(`${host} is an address of this machine or network`)
    const json = await call(['invite', '--json'], home, { terminal: true })
    const fingerprints = { hub: fingerprintOf(hub.hubKey), inviter: fingerprintOf(pubKey) }
    expect(json.io.messages()).toEqual([
      { invitation: { link, hub: host, nickname: 'alice', fingerprints, hasCode: false } },
    ])
  })

  it('wants a code where the hub does, and says who makes codes', async () => {
    const strict = await startHub({ registration: 'invite' })
    const home = homeAt(strict, 'alice')
    const refused = await call(['invite'], home)
    expect(refused.code).toBe(2)
    expect(refused.io.err()).toMatch(/takes members by invitation.*"lighthouse-peer hub invite".*invite --code CODE/)
    const link = await invitation(home, '--code', ' q83vEjRWeJCrze8SNFZ4kA ')
    expect(parseInvitation(link, sha256).code).toBe('q83vEjRWeJCrze8SNFZ4kA')
    strict.subscription.unsubscribe()
    const away = await call(['invite'], home)
    expect([away.code, away.io.err()]).toEqual([0, expect.stringContaining('did not say whether it wants a code')])
    const closed = homeAt(await startHub({ registration: 'closed' }), 'alice')
    expect((await call(['invite'], closed)).io.err()).toContain('takes no new members')
  })

  it('is not made for a hub with another key than the one that is remembered', async () => {
    const hub = await startHub()
    const home = await member(hub, 'alice')
    openTrustFile(home).remember('hub', hub.url, newKeys().pubKey)
    const { code, io } = await call(['invite'], home)
    expect([code, io.out()]).toEqual([7, ''])
  })

  it('needs somebody who is registered', async () => {
    expect((await call(['invite'], temporary())).code).toBe(3)
  })
})

describe('an invitation', () => {
  it('registers with a nickname and nothing else, and makes the inviter known', async () => {
    const hub = await startHub()
    const alice = await member(hub, 'alice')
    const link = await invitation(alice)
    const home = join(temporary(), 'bob')
    const { code, io } = await call(['register', link, '--nickname', 'bob'], home)
    expect([code, io.err()]).toEqual([0, expect.stringContaining('alice invited you')])
    const host = new URL(hub.url).host
    expect(readMetadata(home)).toMatchObject({ nickname: 'bob', host })
    const known = JSON.parse(readFileSync(join(home, 'known_peers.json'), 'utf8'))
    const { pubKey } = readMetadata(alice)!
    expect(known).toEqual({ version: 1, hub: { [host]: hub.hubKey }, peer: { [`${hub.hubKey}/alice`]: pubKey } })
    // Once more is no harm, and one's own invitation is no news.
    expect((await call(['register', link, '--nickname', 'bob'], home)).io.out()).toContain('Already registered')
    expect((await call(['register', link, '--nickname', 'alice'], alice)).io.err()).toContain('is your own')
  })

  it('is all that "up" asks for, but for a nickname', async () => {
    const hub = await startHub()
    const alice = await member(hub, 'alice')
    const link = await invitation(alice)
    const asked: PeerOptions[] = []
    const createPeer$ = (options: PeerOptions): Observable<never> => {
      asked.push(options)
      return throwError(() => new LighthouseError('port-in-use', 'far enough'))
    }
    const parts = { hubClient: fetchHubClient, peer: () => Promise.resolve({ createPeer$, portBlock }) }
    const home = join(temporary(), 'bob')
    const unasked = await call(['up', link], home, { parts })
    expect([unasked.code, unasked.io.err()]).toEqual([3, expect.stringContaining('register LINK --nickname NAME')])
    // As it comes out of a mail.
    const pasted = `${link.slice(0, 40)}\n${link.slice(40)}`
    const { io } = await call(['up', pasted], home, { parts, interactive: true, answers: ['bob'] })
    expect(io.questions.map(({ message }) => message)).toEqual(['Your nickname?'])
    expect(io.err()).toContain(`alice invites you to the hub ${new URL(hub.url).host}.`)
    expect(io.err()).toContain('far enough')
    const { trust, identity } = asked[0]!
    expect(identity).toMatchObject({ nickname: 'bob', host: new URL(hub.url).host })
    expect(trust!.known('hub', identity.host)).toBe(hub.hubKey)
    expect(trust!.known('peer', `${hub.hubKey}/alice`)).toBe(readMetadata(alice)!.pubKey)
    // Who is registered is asked for nothing, and an invitation to elsewhere is for another home.
    const again = await call(['up', link], home, { parts, interactive: true })
    expect([again.io.questions, asked.length]).toEqual([[], 2])
    const made = {
      hub: 'hub.example',
      hubKey: hub.hubKey,
      nickname: 'carol',
      pubKey: newKeys().pubKey,
      code: undefined,
    }
    const elsewhere = await call(['up', formatInvitation(made, sha256)], home, { parts })
    expect(elsewhere.io.err()).toContain('the invitation is for hub.example. Use another --home')
    const forged = { ...made, hub: hub.url, hubKey: newKeys().pubKey }
    expect((await call(['up', formatInvitation(forged, sha256)], home, { parts })).code).toBe(7)
    expect(asked.length).toBe(2)
  })

  it('carries the code that the hub wants', async () => {
    const folder = temporary()
    const database = `sqlite:${join(folder, 'hub.db')}`
    const [code] = await firstValueFrom(createInvites$({ database, count: 1 }))
    const hub = await startHub({ database, registration: 'invite' })
    const alice = homeAt(hub, 'alice')
    const link = await invitation(alice, '--code', code!)
    const home = join(folder, 'bob')
    expect((await call(['register', link, '--nickname', 'bob'], home)).code).toBe(0)
    const used = await call(['register', link, '--nickname', 'carol'], join(folder, 'carol'))
    expect([used.code, used.io.err()]).toEqual([1, expect.stringContaining('was used already')])
  })

  it('to a hub with another key is refused before anything is sent', async () => {
    const hub = await startHub()
    const other = newKeys().pubKey
    const [host, inviter] = [new URL(hub.url).host, newKeys().pubKey]
    const link = formatInvitation(
      { hub: host, hubKey: other, nickname: 'alice', pubKey: inviter, code: 'q83vEjRWeJCrze8SNFZ4kA' },
      sha256,
    )
    const home = join(temporary(), 'bob')
    const { code, io } = await call(['register', link, '--nickname', 'bob'], home)
    expect([code, existsSync(home)]).toEqual([7, false])
    expect(io.err()).toContain(`has the key ${fingerprintOf(other)}, and this one ${fingerprintOf(hub.hubKey)}`)
    expect(io.err()).toContain('Ask whoever invited you for a new invitation')
    expect((await fetch(`${hub.url}/v1/resolve/bob`)).status).toBe(404)
  })

  it('leaves another key of the inviter as it is, and says so', async () => {
    const hub = await startHub()
    const link = await invitation(await member(hub, 'alice'))
    const home = await member(hub, 'bob')
    const [name, another] = [`${hub.hubKey}/alice`, newKeys().pubKey]
    openTrustFile(home).remember('peer', name, another)
    const { io } = await call(['register', link, '--nickname', 'bob'], home)
    expect(io.err()).toContain('You know alice by another key')
    expect(openTrustFile(home).known('peer', name)).toBe(another)
  })

  it.each([
    ['is damaged', ['lighthouse://join/AAAA', '--nickname', 'bob'], /damaged or not whole/],
    ['is none', ['lighthouse://bob/film.mp4', '--nickname', 'bob'], /must begin with lighthouse:\/\/join/],
    ['comes with --hub', ['LINK', '--nickname', 'bob', '--hub', 'hub.example'], /leave out --hub/],
    ['comes with --invite', ['LINK', '--nickname', 'bob', '--invite', 'CODE'], /leave out --hub and --invite/],
    ['comes without a nickname', ['LINK'], /needs --nickname/],
  ])('is refused when it %s', async (_name, argv, words) => {
    const made = { hub: 'hub.example', hubKey: newKeys().pubKey, nickname: 'alice', pubKey: newKeys().pubKey }
    const link = formatInvitation({ ...made, code: undefined }, sha256)
    const home = join(temporary(), 'bob')
    const { code, io } = await call(['register', ...argv.map(word => (word === 'LINK' ? link : word))], home)
    expect([code, io.err(), existsSync(home)]).toEqual([2, expect.stringMatching(words), false])
  })
})
