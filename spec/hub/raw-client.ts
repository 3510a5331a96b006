import { WebSocket } from 'ws'
import { cleanup, type HubAt } from './support.js'

/** Ends a packet of several in one body. */
const separator = '\u001e'

/** Long polling by hand: reads only when told to. */
export interface PollingClient {
  /** What the hub has said meanwhile, one text a packet. */
  read(): Promise<string[]>
  /** The status of the answer: 400 when the connection is over. */
  write(...packets: readonly string[]): Promise<number>
}

export async function openPolling(hub: HubAt): Promise<PollingClient> {
  const path = `${hub.url}/socket.io/?EIO=4&transport=polling`
  const opened = await (await fetch(path)).text()
  const { sid } = JSON.parse(opened.slice(1)) as { readonly sid: string }
  const at = `${path}&sid=${sid}`
  return {
    read: async () => (await (await fetch(at)).text()).split(separator),
    write: async (...packets) => {
      const response = await fetch(at, { method: 'POST', body: packets.join(separator) })
      await response.text()
      return response.status
    },
  }
}

/** A WebSocket that speaks no protocol by itself. */
export function openWebSocket(hub: HubAt): WebSocket {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  socket.on('error', () => undefined)
  cleanup(() => socket.terminate())
  return socket
}
