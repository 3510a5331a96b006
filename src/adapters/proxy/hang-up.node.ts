import type { Duplex } from 'node:stream'

/** Calls back once when the client of an unread socket hangs up. Returns a function that stops watching, to be called before reading. */
export function watchHangUp(socket: Duplex, hungUp: () => void): () => void {
  // Without a reader Node does not report the end; reading zero bytes makes it check.
  const look = (): void => void socket.read(0)
  socket.on('readable', look)
  socket.on('end', hungUp)
  return () => {
    socket.off('readable', look)
    socket.off('end', hungUp)
  }
}
