import { Agent } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ByteSocket } from '../../ports.js'
import { VirtualStream } from './virtual-stream.node.js'

/**
 * Makes Node's HTTP client speak to a peer: each request has a stream of its own, which ends with it, since an idle one would keep
 * the connection busy. `carry` gets the local end of each.
 */
export class PeerAgent extends Agent {
  readonly #carry: (socket: ByteSocket) => void

  constructor(carry: (socket: ByteSocket) => void) {
    super()
    this.#carry = carry
  }

  override createConnection(): Duplex {
    const stream = new VirtualStream()
    // After the client has got it, since it may be reset at once.
    process.nextTick(() => this.#carry(stream.socket))
    return stream
  }
}
