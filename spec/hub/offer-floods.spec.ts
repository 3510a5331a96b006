/** Somebody whom others flood with offers: he is reached by others, and reaches others himself. */
import { describe, expect, it } from '@jest/globals'
import type { Socket } from 'socket.io-client'
import { type Account, description, register, send, signIn, startHub } from './support.js'

const clock = { now: () => 0 }

function sessionOf(name: string, number: number): { readonly session: string } {
  return { session: `${name}-${number}`.padEnd(22, '0') }
}

describe('six keys at their limit of offers to one peer', () => {
  it('are refused the rest, and eight attempts of others all get through, and so does what the peer does itself', async () => {
    // Time stands still: nothing comes back while the flood lasts.
    const hub = await startHub({ clock })
    const open = async (name: string): Promise<Account & { readonly socket: Socket }> => {
      const account = await register(hub, name)
      return { ...account, socket: (await signIn(hub, account)).socket }
    }
    const [victim, friend] = [await open('victim'), await open('friend')]
    victim.socket.on('signal', (offer: { session: string; from: string }) => {
      // As a peer does: an answer, with all of its candidates.
      const reply = { session: offer.session, from: victim.pubKey, to: offer.from }
      victim.socket.emit('signal', {
        ...description('answer', hub, victim, { pubKey: offer.from, privKey: '' }, undefined, offer),
      })
      for (let count = 0; count < 20; count += 1) {
        victim.socket.emit('signal', {
          ...reply,
          type: 'candidate',
          payload: { candidate: 'x', sdpMid: '0', sdpMLineIndex: 0 },
        })
      }
    })
    const flooders = await Promise.all([...'abcdef'].map(open))
    const flood = flooders.flatMap(flooder =>
      Array.from({ length: 30 }, (_, number) =>
        send(
          flooder.socket,
          description('offer', hub, flooder, victim, undefined, sessionOf(flooder.nickname, number)),
        ),
      ),
    )
    const acks = (await Promise.all(flood)) as { delivered?: true; error?: { code: string } }[]
    expect(acks.filter(({ delivered }) => delivered).length).toBe(60)
    expect(acks.filter(({ error }) => error?.code === 'rate-limited').length).toBe(120)

    for (const name of 'ghijklmn') {
      const honest = await open(name)
      const offer = description('offer', hub, honest, victim, undefined, sessionOf(name, 0))
      expect(await send(honest.socket, offer)).toEqual({ delivered: true })
    }
    // By now it has said more than a thousand times something, in reply.
    const own = description('offer', hub, victim, friend, undefined, sessionOf('victim', 0))
    expect(await send(victim.socket, own)).toEqual({ delivered: true })
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    expect(text).toContain('lighthouse_hub_limited_total{limit="offers-by-target"} 120')
    expect(text).not.toContain('limit="signals"')
  })
})
