import type { Io } from './io.js'

/** Asks a question of yes or no. Undefined when the person gave up. */
export async function confirm(io: Pick<Io, 'ask'>, message: string): Promise<boolean | undefined> {
  const complain = (answer: string): string | undefined => (/^(y|yes|n|no)$/i.test(answer) ? undefined : 'y or n')
  const answer = await io.ask({ message, placeholder: 'y or n', complain })
  return answer === undefined ? undefined : /^y/i.test(answer)
}
