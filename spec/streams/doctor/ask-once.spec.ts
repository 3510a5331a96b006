import { describe, expect, it } from '@jest/globals'
import type { SocketEvent } from '../../../src/ports.js'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { askOnce } from '../../../src/streams/doctor/ask-once.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('a connection that asks once', () => {
  it('sends its question, keeps the first piece that comes, and reads the rest away', () => {
    const { socket, answer$ } = askOnce(bytes('ping'))
    const events: SocketEvent[] = []
    socket.event$.subscribe(event => events.push(event))
    const first = bytes('pong')
    socket.write(first)
    first.fill(0)
    socket.write(bytes('more'))
    expect(events).toEqual([
      { type: 'chunk', bytes: bytes('ping') },
      { type: 'consumed', bytes: 4 },
      { type: 'consumed', bytes: 4 },
    ])
    const heard: unknown[] = []
    answer$.subscribe({ next: answer => heard.push(answer), complete: () => heard.push('complete') })
    expect(heard).toEqual([bytes('pong'), 'complete'])
  })

  it('errors with the reason where it is reset before anything came', () => {
    const { socket, answer$ } = askOnce(bytes('ping'))
    const reason = new LighthouseError('no-coins', 'none left')
    socket.reset(reason)
    const heard: unknown[] = []
    answer$.subscribe({ error: error => heard.push(error) })
    expect(heard).toEqual([reason])
  })
})
