import { EventEmitter } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { answerPings } from '../../../src/hub/adapters/websocket-turns.js'

/** A socket whose pongs are sent when the spec says so. */
function fakeSocket() {
  const emitter = new EventEmitter()
  const sent: string[] = []
  const done: ((error?: Error) => void)[] = []
  answerPings({
    on: (event, listener) => emitter.on(event, listener),
    pong: (data, _mask, finished) => {
      sent.push(Buffer.from(data).toString())
      done.push(finished)
    },
  })
  const ping = (text: string): boolean => emitter.emit('ping', Buffer.from(text))
  return { sent, ping, finish: (error?: Error) => done.shift()?.(error) }
}

describe('answerPings', () => {
  it('has one pong waiting, however many pings come, and then answers the newest', () => {
    const { sent, ping, finish } = fakeSocket()
    for (let count = 0; count < 1_000; count += 1) ping(String(count))
    expect(sent).toEqual(['0'])
    finish()
    expect(sent).toEqual(['0', '999'])
    finish()
    ping('next')
    expect(sent).toEqual(['0', '999', 'next'])
  })

  it('answers no more where an answer could not be sent', () => {
    const { sent, ping, finish } = fakeSocket()
    ping('one')
    ping('two')
    finish(new Error('closed'))
    expect(sent).toEqual(['one'])
  })
})
