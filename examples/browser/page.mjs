/**
 * What runs in both pages. The one opened with #server makes up what it is asked for; the other asks for three things at once,
 * over one data channel of the browser's own RTCPeerConnection. The operators are those that a peer runs on Node.
 */
import { ignoreElements, map, merge, Observable, Subject, switchMap, take, tap } from 'rxjs'
import { rtcChannel$ } from 'lighthouse-peer/mux'
import { deframeBatch, defaultMuxConfig, demultiplex, keepAlive } from 'lighthouse-peer/operators'
import { multiplex, pack, streamIds } from 'lighthouse-peer/operators'

const agreement = { version: 2, rst: true }
const chunkBytes = 64 * 1024

/** The line: what happens on streams and the channel in, what `observe` returns for each stream out. Emits nothing. */
function carried$(channel, role, event$, observe) {
  const config = { ...defaultMuxConfig(role, agreement), channelBytes: channel.highWaterBytes }
  return merge(
    channel.message$.pipe(
      deframeBatch(agreement),
      map(frames => ({ type: 'frames', frames, now: performance.now() })),
    ),
    channel.drained$.pipe(map(bytes => ({ type: 'room', bytes }))),
    event$,
  ).pipe(
    keepAlive({ tick: { type: 'tick' } }),
    multiplex(config),
    demultiplex(observe),
    pack({ version: agreement.version, maxMessageBytes: config.maxMessageBytes }),
    tap(message => channel.send(message)),
    ignoreElements(),
  )
}

const consumed = ({ id, bytes }) => ({ type: 'consumed', id, bytes: bytes.length, now: performance.now() })

/** Answers each stream with as many bytes as it asks for, and makes none of them before they can go. */
function serve$(channel) {
  const event$ = new Subject()
  const observe = id => {
    let request = ''
    let left = 0
    let paused = false
    const write = () => {
      if (paused) return
      if (left === 0) return event$.next({ type: 'end', id })
      const bytes = new Uint8Array(Math.min(left, chunkBytes)).fill(id)
      left -= bytes.length
      event$.next({ type: 'write', id, bytes })
      queueMicrotask(write)
    }
    const effects = {
      deliver: effect => {
        request += new TextDecoder().decode(effect.bytes)
        event$.next(consumed(effect))
      },
      end: () => {
        left = Number(request)
        queueMicrotask(write)
      },
      pause: () => (paused = true),
      resume: () => {
        paused = false
        queueMicrotask(write)
      },
    }
    return { next: effect => effects[effect.type](effect), error: reason => console.error(reason.message) }
  }
  return carried$(channel, 'server', event$, observe)
}

/** Asks for so many bytes on a stream each. Emits, for each, how many came and how many of them were wrong. */
function ask$(channel, sizes) {
  return new Observable(subscriber => {
    const event$ = new Subject()
    const observe = id => {
      let [bytes, wrong] = [0, 0]
      return {
        next: effect => {
          if (effect.type !== 'deliver') return
          bytes += effect.bytes.length
          wrong += effect.bytes.filter(byte => byte !== id).length
          event$.next(consumed(effect))
        },
        error: reason => subscriber.error(reason),
        complete: () => subscriber.next({ id, bytes, wrong }),
      }
    }
    subscriber.add(carried$(channel, 'client', event$, observe).subscribe(subscriber))
    const ids = streamIds('client')
    for (const size of sizes) {
      const id = ids.next().value
      event$.next({ type: 'open', id })
      event$.next({ type: 'write', id, bytes: new TextEncoder().encode(String(size)) })
      event$.next({ type: 'end', id })
    }
  })
}

/** The data channel between the two pages. They tell each other what a connection needs over a BroadcastChannel. */
function channel$(offers) {
  return new Observable(subscriber => {
    const connection = new RTCPeerConnection()
    const others = new BroadcastChannel('signals')
    const tell = signal => others.postMessage(JSON.parse(JSON.stringify(signal)))
    const describe = async () => {
      await connection.setLocalDescription()
      tell({ description: connection.localDescription })
    }
    const heed = async ({ ready, description, candidate }) => {
      if (ready && offers) await describe()
      if (description) await connection.setRemoteDescription(description)
      if (description?.type === 'offer') await describe()
      if (candidate) await connection.addIceCandidate(candidate)
    }
    // One after the other: a candidate has to wait for its description.
    let heeded = Promise.resolve()
    others.addEventListener('message', ({ data }) => {
      heeded = heeded.then(() => heed(data)).catch(error => subscriber.error(error))
    })
    connection.onicecandidate = ({ candidate }) => candidate && tell({ candidate })
    if (offers) subscriber.next(connection.createDataChannel('data'))
    else {
      connection.ondatachannel = ({ channel }) => subscriber.next(channel)
      tell({ ready: true })
    }
    subscriber.add(() => {
      others.close()
      connection.close()
    })
  }).pipe(switchMap(channel => rtcChannel$(channel)))
}

const log = text => (document.body.append(text, document.createElement('br')), console.log(text))

if (location.hash === '#server') {
  channel$(false)
    .pipe(switchMap(serve$))
    .subscribe({ error: reason => log(`The other page has left: ${reason.message}`) })
} else {
  const sizes = [3_000_000, 10, 5_000_000]
  channel$(true)
    .pipe(
      switchMap(channel => ask$(channel, sizes)),
      take(sizes.length),
    )
    .subscribe({
      next: ({ id, bytes, wrong }) => log(`stream ${id}: ${bytes} bytes, ${wrong} of them wrong`),
      error: reason => log(`failed: ${reason.message}`),
      complete: () => log('done'),
    })
}
