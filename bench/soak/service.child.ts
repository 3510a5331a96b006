/** A TCP service that speaks no HTTP: `TAKE OFFSET LENGTH`, and it sends so many bytes of the pattern from there, and ends. */
import { createServer } from 'node:net'
import { type AddressInfo } from 'node:net'
import { piecesOf } from './pieces.js'

const server = createServer(socket => {
  let text = ''
  socket.on('error', () => undefined)
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
    if (!text.includes('\n')) return
    const [, offset, length] = text.split(/\s+/)
    socket.removeAllListeners('data').resume()
    const pieces = piecesOf(Number(offset), Number(length))
    const more = (): void => {
      for (let next = pieces.next(); !next.done; next = pieces.next()) {
        if (!socket.write(next.value)) return void socket.once('drain', more)
      }
      socket.end()
    }
    more()
  })
})
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
