import { firstValueFrom } from 'rxjs'
import {
  commitPending,
  discardPending,
  metadataPath,
  readMetadata,
  readPending,
  setPendingAside,
  writePending,
} from '../adapters/store/metadata-file.node.js'
import { openTrustFile } from '../adapters/store/trust-file.node.js'
import type { HubClient } from '../ports.js'
import { LighthouseError, isLighthouseError } from '../protocol/errors.js'
import { hubUrl, type Identity } from '../protocol/peer/metadata.js'
import { assertNickname } from '../protocol/peer/nickname.js'
import { registration$ } from '../streams/signaling/registration.js'
import { changedHubKey } from '../streams/signaling/trust.js'
import { notInvitedThere } from './invited.js'
import type { Parts } from './io.js'

/** What an invitation or the operator gave, besides where the hub is. */
export interface Given {
  /** A code from the hub's operator. */
  readonly code?: string | undefined
  /** The key that the hub is to have. */
  readonly hubKey?: string | undefined
}

/** How a registration ended well. `taken-over` names the file of an older key pair that was moved out of the way. */
export type Registration =
  | { readonly type: 'registered' | 'recovered'; readonly identity: Identity; readonly movedTo: string | undefined }
  /** Was there: the hub knows it, or had lost it and knows it again. */
  | { readonly type: 'already' | 'renewed'; readonly identity: Identity }
  /** The home belongs to another registration; nothing was done. */
  | { readonly type: 'occupied'; readonly identity: Identity; readonly path: string }

function isSame(identity: Identity, nickname: string, hub: URL): boolean {
  return identity.nickname === nickname && hubUrl(identity.host).origin === hub.origin
}

/** Whether a refused registration was in fact ours: the answer to an earlier attempt was lost on the way. */
async function isOurs(client: HubClient, { nickname, pubKey }: Identity): Promise<boolean> {
  return (await firstValueFrom(client.resolve$(nickname))) === pubKey
}

async function submit(
  parts: Parts,
  client: HubClient,
  identity: Identity,
  invite: string | undefined,
): Promise<'registered' | 'recovered'> {
  try {
    await firstValueFrom(registration$(client, parts.crypto, identity, invite), { defaultValue: undefined })
    return 'registered'
  } catch (error) {
    if (isLighthouseError(error, 'registration-refused') && (await isOurs(client, identity))) return 'recovered'
    throw error
  }
}

/** The key of the hub, before anything is sent there. Rejects with `key-changed` where it is another than it should be. */
async function checkHub(
  { crypto }: Parts,
  client: HubClient,
  host: string,
  known: string | undefined,
  { hubKey: expected }: Given,
): Promise<string> {
  const { hubKey } = await firstValueFrom(client.health$())
  if (expected !== undefined && expected !== hubKey) throw notInvitedThere(host, expected, hubKey, crypto)
  if (known !== undefined && known !== hubKey) throw changedHubKey(host, known, hubKey, crypto)
  return hubKey
}

/** Asks the hub for a registration that is there, and makes it again with the same key when the hub has lost it. */
async function renew(
  parts: Parts,
  hub: URL,
  identity: Identity,
  invite: string | undefined,
): Promise<'already' | 'renewed'> {
  const client = parts.hubClient(hub)
  const { nickname, pubKey } = identity
  const known = await firstValueFrom(client.resolve$(nickname))
  if (known === pubKey) return 'already'
  if (known !== undefined) {
    const message = `This nickname is taken: at ${hub.origin} it belongs to another key. Choose another, with another --home.`
    throw new LighthouseError('registration-refused', message, { nickname })
  }
  await submit(parts, client, identity, invite)
  return 'renewed'
}

/**
 * Makes a key pair, registers it and writes metadata.json. The key pair is on disk before it is sent to the hub: a
 * registration that was interrupted is completed by repeating it. One that is complete is made again, with the same key
 * pair, where the hub has lost it: it may have been restored from a backup. The hub's key is remembered from then on.
 * Throws LighthouseErrors; `registration-refused` names the field `invite` where the hub wants another code.
 */
export async function register(
  parts: Parts,
  home: string,
  host: string,
  nickname: string,
  given: Given = {},
): Promise<Registration> {
  assertNickname(nickname)
  const hub = hubUrl(host)
  const existing = readMetadata(home)
  if (existing !== undefined && !isSame(existing, nickname, hub)) {
    return { type: 'occupied', identity: existing, path: metadataPath(home) }
  }
  const client = parts.hubClient(hub)
  const trust = openTrustFile(home)
  /** The address under which the hub's key is remembered. */
  const name = existing?.host ?? host
  const known = trust.known('hub', name)
  // A hub that is not there, or an address that is none's, must leave nothing behind.
  const hubKey = await checkHub(parts, client, name, known, given)
  const remember = (): void => {
    if (known === undefined) trust.remember('hub', name, hubKey)
  }
  if (existing !== undefined) {
    const type = await renew(parts, hub, existing, given.code)
    remember()
    return { type, identity: existing }
  }
  const pending = readPending(home)
  const resumed = pending !== undefined && isSame(pending, nickname, hub)
  const movedTo = pending === undefined || resumed ? undefined : setPendingAside(home, pending)
  const identity = resumed ? pending : { ...parts.crypto.generateKeyPair(), nickname, host }
  if (!resumed) writePending(home, identity)
  try {
    const type = await submit(parts, client, identity, given.code)
    remember()
    commitPending(home, identity)
    return { type, identity, movedTo }
  } catch (error) {
    // Refused for good: this key pair means nothing to anybody. After any other failure it may be registered.
    if (isLighthouseError(error, 'registration-refused')) discardPending(home)
    throw error
  }
}
