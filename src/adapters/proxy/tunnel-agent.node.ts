/** Connections of the proxy to its own tunnels. */
import { Agent, type ClientRequestArgs } from 'node:http'
import type { NetConnectOpts, Socket } from 'node:net'
import { markOwn } from '../tcp/local-user.node.js'
import { PatientSocket } from '../tcp/patient-socket.node.js'

/** Makes a connection for each request, which ends with it: an idle one would hold a stream of the peer. */
class TunnelAgent extends Agent {
  override createConnection(options: ClientRequestArgs): Socket {
    const socket = new PatientSocket(options)
    markOwn(socket)
    return socket.connect(options as NetConnectOpts)
  }
}

export const tunnelAgent: Agent = new TunnelAgent()
