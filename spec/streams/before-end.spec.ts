import { describe, expect, it } from '@jest/globals'
import { concat, EMPTY, finalize, NEVER, of, throwError } from 'rxjs'
import { beforeEnd } from '../../src/streams/before-end.js'

function ends(source$ = concat(of('a'), NEVER)) {
  const seen: string[] = []
  const subscription = source$
    .pipe(
      finalize(() => seen.push('source')),
      beforeEnd(() => seen.push('before')),
      finalize(() => seen.push('after')),
    )
    .subscribe({ next: value => seen.push(value), error: () => seen.push('error') })
  return { seen, subscription }
}

describe('beforeEnd', () => {
  it('works before the source is unsubscribed from', () => {
    const { seen, subscription } = ends()
    expect(seen).toEqual(['a'])
    subscription.unsubscribe()
    expect(seen).toEqual(['a', 'before', 'source', 'after'])
  })

  it('works once, too, where the source ends by itself', () => {
    expect(ends(EMPTY).seen.filter(what => what === 'before')).toHaveLength(1)
    expect(ends(throwError(() => new Error('x'))).seen).toContain('error')
  })
})
