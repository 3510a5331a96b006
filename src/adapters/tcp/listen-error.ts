import { LighthouseError } from '../../protocol/errors.js'

/**
 * Why a listener of a peer could not be opened, with what to do: `port-in-use` for a port that is taken or reserved,
 * `address-unavailable` for anything else.
 *
 * @param cause what the `error` event of a server carried before it listened.
 */
export function listenError(cause: NodeJS.ErrnoException, host: string, port: number): LighthouseError {
  if (cause.code === 'EADDRINUSE') {
    const message = `Port ${port} of ${host} is taken. Stop the program that holds it, or choose other ports with --port-base.`
    return new LighthouseError('port-in-use', message, { port }, { cause })
  }
  if (cause.code === 'EACCES') {
    const message = `Port ${port} needs rights that this user does not have. Choose others, from 1024 on, with --port-base.`
    return new LighthouseError('port-in-use', message, { port }, { cause })
  }
  const message = `Port ${port} of ${host} cannot be opened (${cause.message}).`
  return new LighthouseError('address-unavailable', message, { port }, { cause })
}
