import { isRecord } from '../../../protocol/json.js'
import type { RegistrationRequest } from '../../protocol/signaling/registry.js'

const fields: ReadonlySet<string> = new Set<keyof RegistrationRequest>(['pub_key', 'nickname', 'signature', 'invite'])

/** The body of a registration, or undefined when it has not exactly these three strings and, if it likes, an invite. */
export function parseRegistration(body: unknown): RegistrationRequest | undefined {
  if (!isRecord(body) || !Object.keys(body).every(field => fields.has(field))) return undefined
  const { pub_key, nickname, signature, invite } = body
  if (typeof pub_key !== 'string' || typeof nickname !== 'string' || typeof signature !== 'string') return undefined
  if (invite !== undefined && typeof invite !== 'string') return undefined
  return { pub_key, nickname, signature, invite }
}
