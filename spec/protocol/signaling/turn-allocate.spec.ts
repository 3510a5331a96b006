import { createHash, createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { formatStun, stunAttributes, stunTypes } from '../../../src/protocol/signaling/stun.js'
import {
  type Allocation,
  splitStun,
  startAllocation,
  stepAllocation,
  type TurnOutcome,
  type TurnSigner,
} from '../../../src/protocol/signaling/turn-allocate.js'
import { type FakeTurn, fakeTurn } from '../../support/turn-server.node.js'

const known = { username: '1790000000:QWxpY2U', credential: 'sesame' }

const signerOf = (credentials: { readonly username: string; readonly credential: string }): TurnSigner => ({
  ...credentials,
  transactionId: () => randomBytes(12),
  md5: text => createHash('md5').update(text).digest(),
  hmacSha1: (key, bytes) => createHmac('sha1', key).update(bytes).digest(),
})

/** The dialogue with a server, to its end. */
function allocate(
  server: FakeTurn,
  credentials = known,
): { outcome: TurnOutcome | undefined; seen: readonly number[] } {
  const { answer, seen } = fakeTurn(server)
  const signer = signerOf(credentials)
  let [state, request] = [...startAllocation(signer)] as [Allocation, Uint8Array | undefined]
  for (let round = 0; round < 10 && request !== undefined; round++) {
    const reply = answer(Buffer.from(request))
    if (reply === undefined || state.type === 'done') break
    ;[state, request] = stepAllocation(state, reply, signer)
  }
  return { outcome: state.type === 'done' ? state.outcome : undefined, seen }
}

describe('an allocation', () => {
  it('is asked for, proven by the credentials, and given back', () => {
    expect(allocate(known)).toEqual({
      outcome: { type: 'relayed', relay: { address: '192.0.2.7', port: 50_000 } },
      seen: [stunTypes.allocateRequest, stunTypes.refreshRequest],
    })
  })

  it('is asked for again with another nonce', () => {
    expect(allocate({ ...known, stale: true }).outcome).toMatchObject({ type: 'relayed' })
  })

  it('is refused to other credentials, and for reasons of the server', () => {
    expect(allocate(known, { ...known, credential: 'another' }).outcome).toEqual({
      type: 'refused',
      errorCode: 401,
      reason: 'Unauthorized',
    })
    const full = allocate({ ...known, refusal: [486, 'Quota \u001b[2J reached'] })
    expect(full.outcome).toEqual({ type: 'refused', errorCode: 486, reason: 'Quota  [2J reached' })
  })

  it('is over with what is no answer to it, and is not moved by what belongs to another request', () => {
    const signer = signerOf(known)
    const [state] = startAllocation(signer)
    const id = state.type === 'asked' ? state.transactionId : new Uint8Array(12)
    expect(stepAllocation(state, formatStun(stunTypes.bindingSuccess, id), signer)[0]).toEqual({
      type: 'done',
      outcome: { type: 'malformed' },
    })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), noise => {
        expect(stepAllocation(state, noise, signer)).toEqual([state, undefined])
      }),
    )
    const error = formatStun(stunTypes.allocateError, randomBytes(12), [[stunAttributes.errorCode, new Uint8Array(4)]])
    expect(stepAllocation(state, error, signer)).toEqual([state, undefined])
  })
})

describe('splitStun', () => {
  it('finds the messages whole, however the bytes are cut', () => {
    const message = fc
      .tuple(fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.uint8Array({ maxLength: 30 }))
      .map(([id, value]) => formatStun(stunTypes.allocateError, id, [[stunAttributes.nonce, value]]))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.nat(40)), (messages, cuts) => {
        const all = Buffer.concat(messages)
        const found: Uint8Array[] = []
        let rest: Uint8Array = new Uint8Array(0)
        let at = 0
        for (const cut of [...cuts, all.length]) {
          const split = splitStun(rest, all.subarray(at, at + cut))
          found.push(...split.messages)
          rest = split.rest
          at += cut
        }
        expect(found.map(each => [...each])).toEqual(messages.map(each => [...each]))
        expect(rest).toHaveLength(0)
      }),
    )
  })
})
