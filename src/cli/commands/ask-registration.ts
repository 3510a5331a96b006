import { LighthouseError, isLighthouseError } from '../../protocol/errors.js'
import { hubUrl, type Identity } from '../../protocol/peer/metadata.js'
import { nicknameFlaw } from '../../protocol/peer/nickname.js'
import type { ExitCode } from '../exit-codes.js'
import type { Invitation } from '../../protocol/peer/invitation.js'
import { type Given, type Registration, register } from '../registration.js'
import type { Context } from './context.js'
import { reportRegistration } from './register.js'

function complainHub(answer: string): string | undefined {
  try {
    hubUrl(answer)
    return undefined
  } catch (error) {
    if (error instanceof LighthouseError) return error.message
    throw error
  }
}

/** Registers, and asks for a code where the hub wants one. Undefined when the person gave up. */
async function registerAsking(
  { io, output, home }: Context,
  host: string,
  nickname: string,
  given: Given,
): Promise<Registration | undefined> {
  try {
    return await register(io.parts, home, host, nickname, given)
  } catch (error) {
    if (!isLighthouseError(error, 'registration-refused') || error.details.field !== 'invite') throw error
    output.notice('This hub requires an invitation.')
    const invite = await io.ask({
      message: 'Your invitation code?',
      placeholder: 'from whoever runs the hub',
      complain: answer => (answer.trim() === '' ? 'It must not be empty.' : undefined),
    })
    return invite === undefined ? undefined : register(io.parts, home, host, nickname, { ...given, code: invite })
  }
}

/**
 * Asks the person at the terminal for a nickname, and for a hub unless there is an invitation, and registers. An exit code when
 * that did not come about.
 */
export async function askRegistration(
  context: Context,
  invitation: Invitation | undefined,
): Promise<Identity | ExitCode> {
  const { io, output, home } = context
  const missing = { code: 'not-registered', message: `nobody is registered in "${home}"` } as const
  if (!io.interactive || output.json) {
    const next = 'Run: lighthouse-peer register LINK --nickname NAME'
    return output.fail(invitation === undefined ? missing : { ...missing, next })
  }
  output.notice(
    invitation === undefined
      ? 'You are not registered yet.'
      : `${invitation.nickname} invites you to the hub ${invitation.hub}.`,
  )
  const host =
    invitation?.hub ?? (await io.ask({ message: 'Which hub?', placeholder: 'hub.example:3000', complain: complainHub }))
  if (host === undefined) return output.fail(missing)
  const nickname = await io.ask({
    message: 'Your nickname?',
    placeholder: 'like alice',
    complain: answer => {
      const flaw = nicknameFlaw(answer)
      return flaw === undefined ? undefined : `It ${flaw}.`
    },
  })
  if (nickname === undefined) return output.fail(missing)
  const result = await registerAsking(context, host, nickname, invitation ?? {})
  if (result === undefined) return output.fail(missing)
  const code = reportRegistration(context, result)
  return result.type === 'occupied' ? code : result.identity
}
