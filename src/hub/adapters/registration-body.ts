import { z } from 'zod'
import type { RegistrationRequest } from '../protocol/registry.js'

const schema = z.strictObject({
  pub_key: z.string(),
  nickname: z.string(),
  signature: z.string(),
  invite: z.string().optional(),
})

/** The body of a registration, or undefined when it has not exactly these three strings and, if it likes, an invite. */
export function parseRegistration(body: unknown): RegistrationRequest | undefined {
  return schema.safeParse(body).data
}
