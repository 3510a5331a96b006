/**
 * A whole network in one program: a hub, alice, who publishes a service that answers with what it makes up, and bob, who reads
 * it. Nothing is kept, and the program ends by itself, since unsubscribing frees everything. `node examples/embed.mjs`
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { combineLatest, filter, forkJoin, lastValueFrom, map, switchMap, take } from 'rxjs'
import { createPeer$, portBlock, register$ } from 'lighthouse-peer'
import { createHub$ } from 'lighthouse-peer/hub'

const service = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain')
  response.end(`The squares of 1 to 5 are ${[1, 2, 3, 4, 5].map(n => n * n).join(', ')}.`)
})
await once(service.listen(0, '127.0.0.1'), 'listening')
const share = { type: 'tcp', host: '127.0.0.1', port: service.address().port }

/** A peer on ports that the system chooses, once it has signed in. */
const signedIn$ = options =>
  createPeer$({ ...options, ports: portBlock(0) }).pipe(
    switchMap(peer =>
      peer.state$.pipe(
        filter(({ type }) => type === 'authenticated'),
        take(1),
        map(() => peer),
      ),
    ),
  )

const answer$ = createHub$({ port: 0, database: ':memory:' }).pipe(
  switchMap(({ url: host }) => forkJoin(['alice', 'bob'].map(nickname => register$({ host, nickname })))),
  switchMap(([alice, bob]) => combineLatest([signedIn$({ identity: bob }), signedIn$({ identity: alice, share })])),
  switchMap(([bob]) => bob.connect$('alice')),
  switchMap(async ({ host, port }) => (await fetch(`http://${host}:${port}/squares`)).text()),
  take(1),
)
console.log(await lastValueFrom(answer$))
service.close()
