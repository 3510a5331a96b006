/**
 * Invitations: `lighthouse://join/…`, one link with all that somebody needs to join a hub. After the scheme comes base64url of
 *
 *     version (1), hub's address (length, text), hub's key (32), nickname (length, text), key (32), code (length, text), check (4)
 *
 * where lengths are bytes, and the check is the beginning of a SHA-256 over what is before it: a link that was cut or changed on the
 * way is refused before anybody is asked.
 */
import { fromBase64, toBase64 } from '../base64.js'
import { concat } from '../bytes.js'
import { LighthouseError } from '../errors.js'
import { isPublicKey } from '../signaling/signal.js'
import { hubUrl } from './metadata.js'
import { isNickname } from './nickname.js'

/** What a link says. Keys are base64. */
export interface Invitation {
  /** Its address, as metadata.json has it. */
  readonly hub: string
  readonly hubKey: string
  /** Who invites. */
  readonly nickname: string
  readonly pubKey: string
  /** Lets one person register, where the hub asks for one. */
  readonly code: string | undefined
}

/** The base64 digest of a text. */
type Sha256 = (text: string) => string

const prefix = 'lighthouse://join/'
const version = 1
const keyBytes = 32
const checkBytes = 4

/** Longest link, in characters: what a chat keeps in a line, and a QR code that a telephone reads from a terminal. */
export const maxInvitationLength = 300

/** Codes are 22 characters of base64url; others could be made by another hub. */
const codePattern = /^[\x21-\x7e]{1,64}$/

function refuse(what: string): never {
  throw new LighthouseError('invalid-option', what, { field: 'invitation' })
}

/** Whether a text is meant as an invitation, however it is damaged. */
export function isInvitation(text: string): boolean {
  return text.trim().toLowerCase().startsWith(prefix)
}

/** A hub's address, as short as it is still the same one. Throws `invalid-option`. */
export function shortHub(host: string): string {
  const { origin, host: short } = hubUrl(host)
  return hubUrl(short).origin === origin ? short : origin
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

function fromBase64Url(text: string): Uint8Array | undefined {
  if (!/^[\w-]+$/.test(text) || text.length % 4 === 1) return undefined
  const bytes = fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
  // Another spelling of the same bytes is nobody's link.
  return toBase64Url(bytes) === text ? bytes : undefined
}

function checkOf(body: Uint8Array, sha256: Sha256): Uint8Array {
  return fromBase64(sha256(`${prefix}${toBase64Url(body)}`)).subarray(0, checkBytes)
}

function field(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text)
  return Uint8Array.of(bytes.length, ...bytes)
}

/** The link for an invitation. Throws `invalid-option` for what no link can say. */
export function formatInvitation({ hub, hubKey, nickname, pubKey, code }: Invitation, sha256: Sha256): string {
  if (code !== undefined && !codePattern.test(code)) refuse('an invitation code has 1 to 64 characters, without spaces')
  const parts = [field(shortHub(hub)), fromBase64(hubKey), field(nickname), fromBase64(pubKey), field(code ?? '')]
  const body = concat([Uint8Array.of(version), ...parts])
  const link = `${prefix}${toBase64Url(concat([body, checkOf(body, sha256)]))}`
  if (link.length > maxInvitationLength) refuse('the address of the hub is too long for an invitation')
  return link
}

/** Reads a body whose check is right, field by field; undefined when it is not made as above. */
function readBody(body: Uint8Array): Invitation | undefined {
  let at = 1
  const take = (length: number): Uint8Array => body.subarray(at, (at += length))
  const text = (): string => String.fromCharCode(...take(body[at++] ?? 0))
  const [hub, hubKey, nickname, pubKey, code] = [text(), take(keyBytes), text(), take(keyBytes), text()]
  if (at !== body.length) return undefined
  return { hub, hubKey: toBase64(hubKey), nickname, pubKey: toBase64(pubKey), code: code === '' ? undefined : code }
}

/** Whether everything in it may be used. Throws `invalid-option` where the hub's address is none. */
function isUsable({ hub, hubKey, nickname, pubKey, code }: Invitation): boolean {
  const areKeys = isPublicKey(hubKey) && isPublicKey(pubKey) && hubKey !== pubKey
  return areKeys && isNickname(nickname) && (code === undefined || codePattern.test(code)) && shortHub(hub) === hub
}

/** Reads a link as it was pasted: with spaces and line breaks. Throws `invalid-option`, in words. */
export function parseInvitation(pasted: string, sha256: Sha256): Invitation {
  const text = pasted.replace(/\s+/g, '')
  if (!isInvitation(text)) refuse('this is not an invitation: it must begin with lighthouse://join/')
  const damaged = 'this invitation is damaged or not whole. Copy all of it, or ask for a new one'
  const bytes = text.length > maxInvitationLength ? undefined : fromBase64Url(text.slice(prefix.length))
  if (bytes === undefined || bytes.length <= checkBytes) return refuse(damaged)
  if (bytes[0] !== version) refuse('this invitation was made by another version of Lighthouse. Use the newest one')
  const body = bytes.subarray(0, -checkBytes)
  if (checkOf(body, sha256).join() !== bytes.subarray(-checkBytes).join()) refuse(damaged)
  const invitation = readBody(body)
  if (invitation === undefined || !isUsable(invitation)) return refuse(damaged)
  return invitation
}
