import { describe, expect, it } from '@jest/globals'
import { of, Subject, throwError } from 'rxjs'
import { createWallet } from '../../../src/streams/coins/wallet.js'
import { virtualTime } from '../support/virtual-time.js'

function world() {
  const time = virtualTime()
  const told: number[] = []
  const wallet = createWallet(time.scheduler, bytes => told.push(bytes))
  return { time, told, wallet }
}

describe('createWallet', () => {
  it('knows nothing at first, then what it was told last, and when', () => {
    const { time, told, wallet } = world()
    expect(wallet.known).toBeUndefined()
    time.advance(1_000)
    wallet.signedIn(10)
    time.advance(500)
    wallet.settled(7, 4)
    expect(wallet.known).toEqual({ bytes: 4, atMs: 1_500 })
    expect(told).toEqual([10, 4])
  })

  it('takes of several settlements that of the highest block, in whatever order they come', () => {
    const { told, wallet } = world()
    for (const [seq, bytes] of [
      [9, 2],
      [8, 3],
      [9, 1],
      [10, 5],
    ] as const) {
      wallet.settled(seq, bytes)
    }
    expect(told).toEqual([2, 1, 5])
  })

  it('counts blocks anew after a sign-in', () => {
    const { told, wallet } = world()
    wallet.settled(900, 2)
    wallet.signedIn(50)
    wallet.settled(30, 45)
    expect(told).toEqual([2, 50, 45])
  })

  it('takes the answer to a question, unless something was told since it was asked', () => {
    const { told, wallet } = world()
    const answer$ = new Subject<number>()
    const answers: number[] = []
    wallet.lookUp$(of(9)).subscribe(bytes => answers.push(bytes))
    wallet.lookUp$(answer$).subscribe(bytes => answers.push(bytes))
    wallet.settled(7, 4)
    answer$.next(9)
    expect([answers, told]).toEqual([
      [9, 4],
      [9, 4],
    ])
  })

  it('fails as the question does', () => {
    const errors: unknown[] = []
    const { wallet } = world()
    wallet.lookUp$(throwError(() => 'away')).subscribe({ error: error => errors.push(error) })
    expect([errors, wallet.known]).toEqual([['away'], undefined])
  })
})
