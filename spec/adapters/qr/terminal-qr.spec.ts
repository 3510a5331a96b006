import { describe, expect, it } from '@jest/globals'
import { terminalQr } from '../../../src/adapters/qr/terminal-qr.js'

const link = `lighthouse://join/${'Aq9_-'.repeat(40)}`

/** The modules that a camera sees, true for dark ones, from the half blocks. */
function modulesOf(drawn: string): readonly (readonly boolean[])[] {
  const halves: Readonly<Record<string, readonly [boolean, boolean]>> = {
    '█': [false, false],
    '▀': [false, true],
    '▄': [true, false],
    ' ': [true, true],
  }
  return drawn.split('\n').flatMap(line => {
    const pairs = [...line].map(each => halves[each]!)
    return [pairs.map(([above]) => above), pairs.map(([, below]) => below)]
  })
}

const finder = ['#######', '#     #', '# ### #', '# ### #', '# ### #', '#     #', '#######']

describe('a QR code in a terminal', () => {
  it('is square, has its three corners, and is light around', () => {
    const drawnRows = modulesOf(terminalQr(link, false))
    const size = drawnRows[0]!.length
    // An odd number of rows leaves half a line, in which nothing is drawn.
    const modules = drawnRows.slice(0, size)
    // Of the longest link: 61 modules and 4 light ones on each side, which fit a terminal of 80 columns.
    expect(modulesOf(terminalQr('a'.repeat(300), false))[0]!.length).toBe(69)
    const at = (x: number, y: number) => Array.from({ length: 7 }, (_, row) => modules[y + row]!.slice(x, x + 7))
    const drawn = (corner: readonly (readonly boolean[])[]) =>
      corner.map(row => row.map(dark => (dark ? '#' : ' ')).join(''))
    for (const [x, y] of [[4, 4] as const, [size - 11, 4] as const, [4, size - 11] as const]) {
      expect(drawn(at(x, y))).toEqual(finder)
    }
    const edge = [...modules.slice(0, 4), ...modules.slice(size - 4, size)].flat()
    expect([...edge, ...modules.flatMap(row => [...row.slice(0, 4), ...row.slice(-4)])]).not.toContain(true)
  })

  it('sets both colours for each line where there are colours, and nothing else', () => {
    const [plain, coloured] = [terminalQr(link, false), terminalQr(link, true)]
    expect(plain).toMatch(/^[█▀▄ \n]+$/)
    expect(coloured.split('\n').map(line => /^\u001b\[38;5;231;48;5;16m([█▀▄ ]+)\u001b\[0m$/.exec(line)![1])).toEqual(
      plain.split('\n'),
    )
  })
})
