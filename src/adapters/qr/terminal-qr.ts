import { renderUnicodeCompact } from 'uqr'

/** Modules around a code that have to be light (ISO/IEC 18004): a camera finds it by them. */
const quietZone = 4

/** White and black of the 256-colour palette, which themes leave alone. */
const [whiteOnBlack, reset] = ['\u001b[38;5;231;48;5;16m', '\u001b[0m']

/**
 * A text as a QR code for a terminal, two modules above each other in a character. Light modules are drawn: without colours, on a
 * dark background, it is right as well.
 */
export function terminalQr(text: string, hasColours: boolean): string {
  const lines = renderUnicodeCompact(text, { ecc: 'L', border: quietZone }).split('\n')
  return lines.map(line => (hasColours ? `${whiteOnBlack}${line}${reset}` : line)).join('\n')
}
