import { LighthouseError, isLighthouseError } from '../../protocol/errors.js'
import { hubUrl, type Identity } from '../../protocol/peer/metadata.js'
import { nicknameFlaw } from '../../protocol/peer/nickname.js'
import type { ExitCode } from '../exit-codes.js'
import { type Registration, register } from '../registration.js'
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
): Promise<Registration | undefined> {
  try {
    return await register(io.parts, home, host, nickname)
  } catch (error) {
    if (!isLighthouseError(error, 'registration-refused') || error.details.field !== 'invite') throw error
    output.notice('This hub requires an invitation.')
    const invite = await io.ask({
      message: 'Your invitation code?',
      placeholder: 'from whoever runs the hub',
      complain: answer => (answer.trim() === '' ? 'It must not be empty.' : undefined),
    })
    return invite === undefined ? undefined : register(io.parts, home, host, nickname, invite)
  }
}

/** Asks the person at the terminal for a hub and a nickname and registers. An exit code when that did not come about. */
export async function askRegistration(context: Context): Promise<Identity | ExitCode> {
  const { io, output, home } = context
  const missing = { code: 'not-registered', message: `nobody is registered in "${home}"` } as const
  if (!io.interactive || output.json) return output.fail(missing)
  output.notice('You are not registered yet.')
  const host = await io.ask({ message: 'Which hub?', placeholder: 'hub.example:3000', complain: complainHub })
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
  const result = await registerAsking(context, host, nickname)
  if (result === undefined) return output.fail(missing)
  const code = reportRegistration(context, result)
  return result.type === 'occupied' ? code : result.identity
}
