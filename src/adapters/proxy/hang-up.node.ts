import type { Duplex } from 'node:stream'

/** Calls back once when the client of an unread socket hangs up. Returns how to stop looking, before it is read. */
export function watchHangUp(socket: Duplex, hungUp: () => void): () => void {
  // Without a reader Node does not tell the end; reading nothing makes it look.
  const look = (): void => void socket.read(0)
  socket.on('readable', look)
  socket.on('end', hungUp)
  return () => {
    socket.off('readable', look)
    socket.off('end', hungUp)
  }
}
