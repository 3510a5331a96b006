/**
 * TCP for `lighthouse-peer/mux`, on Node (`lighthouse-peer/mux/tcp`). An entry of its own, so that the other one can be
 * bundled for a browser, where `node:net` does not exist.
 */
export { tcpChannel$, type TcpSocket } from './adapters/tcp/tcp-channel.js'
export { nodeTcp } from './adapters/tcp/tcp.node.js'
export { type ErrorCode, errorCodes, type ErrorDetails, isLighthouseError, LighthouseError } from './protocol/errors.js'
export type { ByteChannel, ByteSocket, SocketEvent, TcpListenEvent, TcpPort, WriteResult } from './ports.js'
