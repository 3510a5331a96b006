import { describe, expect, it } from '@jest/globals'
import { NEVER, Observable, throwError } from 'rxjs'
import type { ByteSocket, TcpPort } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import {
  type OpenShare,
  openShare$,
  type OpenShareOptions,
  type Share,
} from '../../../src/streams/serving/open-share.js'
import { memorySocket } from '../../support/memory-socket.js'

type DialOptions = Parameters<TcpPort['dial']>[0]

function world(share: Share | undefined, openFolder$: OpenShareOptions['openFolder$'] = () => NEVER) {
  const dialled: DialOptions[] = []
  const dial = (options: DialOptions): ByteSocket => {
    dialled.push(options)
    return memorySocket()
  }
  const shares: OpenShare[] = []
  const errors: unknown[] = []
  const subscription = openShare$({ share, openFolder$, tcp: { dial } }).subscribe({
    next: open => shares.push(open),
    error: (error: unknown) => errors.push(error),
  })
  /** A stream of that key is connected. */
  const connect = (key: string): DialOptions => {
    shares[0]!.dial!(key).event$.subscribe()
    return dialled.at(-1)!
  }
  return { dialled, shares, errors, subscription, connect }
}

describe('openShare$', () => {
  it('dials nothing where nothing is shared', () => {
    expect(world(undefined).shares).toEqual([{}])
  })

  it('dials a service at its own address, and has no data server', () => {
    const { shares, connect } = world({ type: 'tcp', host: 'nas.local', port: 8_096 })
    expect(shares).toEqual([{ dial: expect.any(Function) }])
    expect(connect('bob')).toMatchObject({ host: 'nas.local', port: 8_096 })
  })

  it('dials the data server of a folder, which learns whose streams its connections carry while they are open', () => {
    let keyAt: (port: number) => string | undefined = () => 'nobody asked yet'
    let closed = false
    const { connect, shares, subscription } = world({ type: 'folder', path: 'films' }, (path, at) => {
      expect(path).toBe('films')
      keyAt = at
      return new Observable(subscriber => {
        subscriber.next({ url: 'http://127.0.0.1:42011/', port: 42_011 })
        return () => (closed = true)
      })
    })
    expect(shares).toEqual([{ url: 'http://127.0.0.1:42011/', dial: expect.any(Function) }])
    const [first, second] = [connect('bob'), connect('carol')]
    expect(first).toMatchObject({ host: '127.0.0.1', port: 42_011 })
    first.onLocalPort!(5_001, true)
    second.onLocalPort!(5_002, true)
    expect([5_001, 5_002, 5_003].map(keyAt)).toEqual(['bob', 'carol', undefined])
    first.onLocalPort!(5_001, false)
    expect([5_001, 5_002].map(keyAt)).toEqual([undefined, 'carol'])
    subscription.unsubscribe()
    expect(closed).toBe(true)
  })

  it('fails as the data server does', () => {
    const missing = new LighthouseError('invalid-share', 'there is no such folder')
    expect(world({ type: 'folder', path: 'x' }, () => throwError(() => missing)).errors).toEqual([missing])
  })
})
