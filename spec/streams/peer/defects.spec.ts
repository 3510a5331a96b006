import { describe, expect, it } from '@jest/globals'
import { concat, EMPTY, of, throwError } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { createDefects } from '../../../src/streams/peer/defects.js'
import { marbles } from '../../support/marbles.js'

const cause = new TypeError('x is not a function')
const ours = new LighthouseError('peer-offline', 'bob is offline')
const internal = expect.objectContaining({ code: 'internal', cause })

/** The defects that are reported while `act` runs. */
function reportsOf(act: (defects: ReturnType<typeof createDefects>) => void): readonly unknown[] {
  const defects = createDefects()
  const reports: unknown[] = []
  defects.report$.subscribe(report => reports.push(report))
  act(defects)
  return reports
}

describe('createDefects', () => {
  it('puts internal in place of a defect for those who wait, and passes everything else', () => {
    const errors: unknown[] = []
    const error = (reason: unknown): unknown => errors.push(reason)
    const reports = reportsOf(({ reported }) => {
      for (const failure of [cause, ours])
        throwError(() => failure)
          .pipe(reported())
          .subscribe({ error })
    })
    expect([errors, reports]).toEqual([[internal, ours], [{ type: 'defect', reason: internal }]])
  })

  it('ends one part for a defect in it, and errors with what is ours', () => {
    marbles(({ expectObservable }) => {
      const { contained } = createDefects()
      const part = (failure: unknown) =>
        concat(
          of('a'),
          throwError(() => failure),
        ).pipe(contained())
      expectObservable(part(cause)).toBe('(a|)')
      expectObservable(part(ours)).toBe('(a#)', undefined, ours)
      expectObservable(EMPTY.pipe(contained())).toBe('|')
    })
  })
})
