import { filter, map, merge, type Observable, scan } from 'rxjs'

interface Shortage {
  /** The least that takes one of the receipts for which there were not enough coins. */
  readonly neededBytes: number
  readonly balanceBytes: number
  readonly isOver: boolean
}

const noShortage: Shortage = { neededBytes: Infinity, balanceBytes: 0, isOver: false }

/**
 * Emits when the balance has grown to what the least of the receipts needs that the hub refused for want of coins.
 *
 *     short$         --5--3--------9--
 *     balance$       1--------2-3-----
 *     affordable$    -----------x-----
 *
 * Ends and errors with its sources; holds two numbers.
 */
export function affordable$(short$: Observable<number>, balance$: Observable<number>): Observable<unknown> {
  const needs$ = short$.pipe(
    map(bytes => (shortage: Shortage): Shortage => {
      return { ...shortage, neededBytes: Math.min(shortage.neededBytes, bytes), isOver: false }
    }),
  )
  const has$ = balance$.pipe(
    map(balanceBytes => (shortage: Shortage): Shortage => {
      const isOver = balanceBytes > shortage.balanceBytes && balanceBytes >= shortage.neededBytes
      return { neededBytes: isOver ? Infinity : shortage.neededBytes, balanceBytes, isOver }
    }),
  )
  return merge(needs$, has$).pipe(
    scan((shortage, step) => step(shortage), noShortage),
    filter(({ isOver }) => isOver),
  )
}
