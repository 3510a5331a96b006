/** A hub's own words about a failure, and why it cannot be reached, with what to do. */
import { isLocalAddress } from '../peer/metadata.js'

/** What the system or a library reports about a failed connection. */
export interface ConnectionFailure {
  readonly code?: unknown
  readonly message?: unknown
}

/** OpenSSL reads what is not TLS as a TLS record, of a version or length that does not exist. */
const notTls = /wrong[ _]version[ _]number|packet[ _]length[ _]too[ _]long|record[ _]layer[ _]failure/i

/** How an HTTP parser reports bytes that are not HTTP. */
const notHttp = /^HPE_/

/** A server that wants TLS closes a connection of plain HTTP without an answer. */
const closedCodes: readonly unknown[] = ['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE']

/** Codes of Node for certificates that do not verify. */
const certificate = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY))/

/** Why the hub at `origin` (`https://hub.example:3000`) cannot be reached. One or two sentences without the last full stop. */
export function unreachableReason(origin: string, { code, message }: ConnectionFailure): string {
  const [scheme = '', host = ''] = origin.split('://')
  const isSaid = (word: unknown): word is string => typeof word === 'string' && word !== ''
  const text = [message, code].find(isSaid) ?? 'the connection failed'
  if (scheme === 'https') {
    if (notTls.test(`${String(code)} ${text}`)) {
      return isLocalAddress(new URL(origin).hostname)
        ? `this address does not speak HTTPS. Use http://${host}`
        : 'this address does not speak HTTPS. Check host and port; a hub across a network needs TLS in front'
    }
    if (certificate.test(String(code))) {
      return `its certificate cannot be trusted (${text}). Ask its operator, or name its authority's file in NODE_EXTRA_CA_CERTS`
    }
    return text
  }
  if (notHttp.test(String(code))) return `this address does not speak HTTP. Check host and port`
  if (closedCodes.includes(code)) return `it closed the connection (${text}). If it speaks HTTPS, use https://${host}`
  return text
}

/** Words of a hub, as they are shown to people: no control characters, at most 200 characters. */
export function hubWords(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value.replace(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, 200) : otherwise
}
