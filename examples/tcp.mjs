/**
 * Many connections over one: an HTTP service of one machine is used on another, through a single TCP connection between them,
 * with backpressure for each request. Both machines are this program here. `node examples/tcp.mjs`
 */
import { once } from 'node:events'
import { createServer as createService } from 'node:http'
import { connect as dialTcp, createServer } from 'node:net'
import { catchError, connect, EMPTY, filter, fromEvent, ignoreElements, lastValueFrom, map } from 'rxjs'
import { merge, mergeMap, switchMap, take } from 'rxjs'
import { isLighthouseError, muxSession$ } from 'lighthouse-peer/mux'
import { nodeTcp, tcpChannel$ } from 'lighthouse-peer/mux/tcp'

const host = '127.0.0.1'

// The machine with the service: a connection that comes in is a channel, and each of its streams a connection to the service.
const service = createService((request, response) => response.end(`${request.url} ${'x'.repeat(1_000_000)}`))
const far = createServer({ noDelay: true, pauseOnConnect: true })
await Promise.all([once(service.listen(0, host), 'listening'), once(far.listen(0, host), 'listening')])
const dial = () => nodeTcp.dial({ host, port: service.address().port })
const served = fromEvent(far, 'connection')
  .pipe(
    mergeMap(socket =>
      tcpChannel$(socket).pipe(
        switchMap(channel => muxSession$({ channel, role: 'server', dial })),
        catchError(error => {
          // How every session ends whose other side has left.
          if (!isLighthouseError(error, 'channel-closed')) throw error
          return EMPTY
        }),
      ),
    ),
  )
  .subscribe()

// The machine where it is used: a connection to a local port is a stream of the channel. Emits that port.
const port$ = tcpChannel$(dialTcp({ host, port: far.address().port, noDelay: true })).pipe(
  switchMap(channel =>
    nodeTcp.listen$({ host, port: 0 }).pipe(
      connect(event$ => {
        const listening$ = event$.pipe(filter(({ type }) => type === 'listening'))
        const socket$ = event$.pipe(filter(({ type }) => type === 'socket')).pipe(map(({ socket }) => socket))
        const carried$ = muxSession$({ channel, role: 'client', socket$ })
        return merge(carried$.pipe(ignoreElements()), listening$.pipe(map(({ port }) => port)))
      }),
    ),
  ),
)

const fetchText = async url => (await fetch(url)).text()
const answers$ = port$.pipe(
  switchMap(port => Promise.all(['/a', '/b', '/c'].map(path => fetchText(`http://${host}:${port}${path}`)))),
  // Unsubscribes, which ends the session, its sockets and the connection.
  take(1),
)
for (const answer of await lastValueFrom(answers$)) console.log(`${answer.slice(0, 2)}: ${answer.length} bytes`)

served.unsubscribe()
far.close()
service.close()
