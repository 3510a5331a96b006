/** `LIGHTHOUSE_FULL=1` takes the sizes that are worth their minutes now and then, but not with every change. */
export const isFull: boolean = process.env['LIGHTHOUSE_FULL'] === '1'

/** A size, a number of rounds or a time limit: the usual one, or that of a full run. */
export const sized = (usual: number, full: number): number => (isFull ? full : usual)
