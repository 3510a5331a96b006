import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { lastValueFrom, toArray } from 'rxjs'
import { askFacts$, askProbe$ } from '../../../src/cli/doctor/peer-at.js'
import type { ProbeEvent } from '../../../src/protocol/doctor/probe.js'
import { httpServers } from '../support/peer-home.js'

const serve = httpServers()
const controlToken = 'the-token'
const event: ProbeEvent = { type: 'phase', phase: 'offering', ms: 3 }

const peerWith = async (handler: RequestListener) => ({
  url: `http://127.0.0.1:${await serve(handler)}/`,
  controlToken,
})

async function probed(handler: RequestListener): Promise<readonly ProbeEvent[]> {
  return lastValueFrom(askProbe$(await peerWith(handler), 'bob').pipe(toArray()))
}

describe('what the doctor asks a peer', () => {
  it('is asked for with the token, and read line by line', async () => {
    const events = await probed((req, res) => {
      expect([req.method, req.url, req.headers['x-lighthouse-token']]).toEqual([
        'POST',
        '/control/probe/bob',
        controlToken,
      ])
      res.write(`${JSON.stringify(event)}\n${JSON.stringify({ type: 'later' })}\n`)
      res.end(`${JSON.stringify({ type: 'answer', ms: 9, status: 200 })}\n`)
    })
    expect(events).toEqual([event, { type: 'answer', ms: 9, status: 200 }])
  })

  it('is the failure that the peer names', async () => {
    const problem = JSON.stringify({ code: 'no-coins', detail: 'none left', next: 'Share.' }, null, 2)
    const refused = probed((_req, res) => res.writeHead(402).end(problem))
    await expect(refused).rejects.toMatchObject({ code: 'no-coins', message: 'none left' })
  })

  it.each<[string, RequestListener]>([
    ['before its answer', req => req.socket.destroy()],
    [
      'in the middle',
      (req, res) => {
        res.write(`${JSON.stringify(event)}\n`, () => req.socket.destroy())
      },
    ],
  ])('is a failure where the peer ends %s', async (_when, handler) => {
    await expect(probed(handler)).rejects.toMatchObject({ code: 'not-answering' })
    const facts = askFacts$(await peerWith(req => req.socket.destroy()))
    await expect(lastValueFrom(facts)).rejects.toMatchObject({ code: 'not-answering' })
  })

  it('is let go of when nobody listens any more', async () => {
    const left = new Promise<void>(resolve => {
      const peer = peerWith((req, res) => {
        res.write(`${JSON.stringify(event)}\n`)
        req.socket.once('close', () => resolve())
      })
      void peer.then(at => {
        const subscription = askProbe$(at, 'bob').subscribe(() => subscription.unsubscribe())
      })
    })
    expect(await left).toBeUndefined()
  })
})
