import type { ErrorCode, LighthouseError } from '../errors.js'

/** How a failure is reported over HTTP: status, title, and what the reader can do. `{peer}` stands for the nickname. */
interface Answer {
  readonly status: 400 | 402 | 404 | 409 | 500 | 502 | 503 | 504
  readonly title: string
  readonly next: string
}

const dialAgain = 'Try again. A new connection will be made.'
const lostConnection = (title: string): Answer => ({ status: 502, title, next: dialAgain })

/** What does not come of a request: a peer that cannot start, or cannot register, has no proxy to say so. */
const other: Answer = {
  status: 500,
  title: 'This peer is not set up correctly',
  next: 'Correct what the message names, and start the peer again.',
}

const answers: Readonly<Partial<Record<ErrorCode, Answer>>> = {
  'frame-version': lostConnection('{peer} sent invalid data'),
  'frame-command': lostConnection('{peer} sent invalid data'),
  'frame-size': lostConnection('{peer} sent invalid data'),
  'protocol-violation': lostConnection('{peer} broke the rules of the connection'),
  'peer-silent': lostConnection('{peer} stopped responding'),
  internal: {
    status: 500,
    title: 'Internal error',
    next: 'Try again. If it happens again, report it with the log of "lighthouse-peer up".',
  },
  'channel-closed': lostConnection('The connection to {peer} was lost'),
  'stream-ids-exhausted': lostConnection('The connection to {peer} ran out of stream IDs'),
  'too-many-streams': {
    status: 503,
    title: 'Too many requests to {peer} at once',
    next: 'Wait for a transfer to end, or stop one, then try again.',
  },
  'stream-overrun': lostConnection('The transfer from {peer} was interrupted'),
  'stream-reset': lostConnection('{peer} cancelled the transfer'),
  'connect-timeout': {
    status: 504,
    title: 'No connection to {peer} in time',
    next: 'Try again in a moment. If it happens again, run "lighthouse-peer doctor" on both sides.',
  },
  'peer-offline': {
    status: 502,
    title: '{peer} is offline',
    next: 'Ask its owner to start Lighthouse, then try again.',
  },
  'unknown-nickname': {
    status: 404,
    title: 'Nobody is called {peer}',
    next: 'Check the spelling of the nickname, and that you both use the same hub.',
  },
  'malformed-nickname': {
    status: 400,
    title: 'This is not a nickname',
    next: 'Check the spelling. Write the address as /proxy/nickname/path.',
  },
  'own-nickname': {
    status: 409,
    title: '{peer} is you',
    next: 'Open your own folder from the dashboard; it needs no connection.',
  },
  'no-coins': {
    status: 402,
    title: 'Out of coins',
    next: 'One coin buys one megabyte. Serve others to earn coins: keep your peer running and share something worth watching. Paused transfers resume when coins arrive.',
  },
  unpaid: lostConnection('Data from {peer} was not paid for'),
  'spending-limit': {
    status: 402,
    title: 'Your spending limit is reached',
    next: 'Restart the peer with a higher limit, or wait: the daily limit is reset at midnight UTC.',
  },
  'rate-limited': { status: 503, title: 'Too many requests to the hub', next: 'Wait a minute, then try again.' },
  'hub-unreachable': {
    status: 503,
    title: 'The hub cannot be reached',
    next: 'Check your network, or run "lighthouse-peer doctor" to see what is in the way. The peer keeps trying; open connections continue.',
  },
  'hub-protocol': {
    status: 503,
    title: 'The hub sent an unexpected answer',
    next: 'Check that the address in metadata.json is a hub, and that hub and peer have matching versions.',
  },
  'not-authenticated': {
    status: 503,
    title: 'The hub does not accept your key',
    next: 'Register again with "lighthouse-peer register".',
  },
  'session-replaced': {
    status: 503,
    title: 'You are signed in elsewhere',
    next: 'Stop the other peer that uses the same key, then start this one again.',
  },
  'bad-signature': {
    status: 502,
    title: 'The signature of {peer} is invalid',
    next: 'Somebody may have tampered with the message, so no connection was made. Try again later, and inform the operator of the hub.',
  },
  'key-changed': {
    status: 502,
    title: 'The key of {peer} has changed',
    next: 'Compare the fingerprints with the other person, over another channel.',
  },
  'malformed-signal': lostConnection('{peer} sent invalid data'),
  'webrtc-failed': {
    status: 502,
    title: 'No connection to {peer}',
    next: 'Try again. If it happens again, run "lighthouse-peer doctor" on both sides.',
  },
  'peer-refused': { status: 502, title: '{peer} refused the connection', next: 'Ask its owner, or try again later.' },
  'too-many-connections': {
    status: 503,
    title: 'Too many connections at once',
    next: 'Wait for one to end, then try again.',
  },
  'no-tunnel-port': {
    status: 503,
    title: 'No tunnel port is free',
    next: 'Stop the program that holds one of the ten ports, or move the block with --port-base.',
  },
  'store-failed': {
    status: 500,
    title: 'Stored data cannot be used',
    next: 'Check the disk and the permissions of the files.',
  },
}

/** A failure as an answer over HTTP. Plain text: whoever makes a page of it escapes. */
export interface FailureAnswer extends Answer {
  readonly detail: string
  readonly code: ErrorCode
}

/** A failure as an HTTP answer. `nickname` is whom the request was for, if the error does not name anybody. */
export function describeFailure({ code, message, details }: LighthouseError, nickname?: string): FailureAnswer {
  const { status, title, next: usual } = answers[code] ?? other
  const { next = usual } = details
  const named = details.nickname ?? nickname
  const text = title.replace('{peer}', () => named ?? 'the peer')
  // A nickname stays as it is written; a sentence without one begins with a capital.
  return { status, title: named === undefined ? capitalised(text) : text, detail: message, next, code }
}

/** A redirect out of a peer's share, which the inline mount does not pass on: the reader decides whether to go there. */
export function describeRedirectElsewhere(
  nickname: string,
  target: URL,
): Pick<Answer, 'title' | 'next'> & { readonly status: 502; readonly detail: string; readonly link?: Link } {
  const { href, protocol } = target
  return {
    status: 502,
    title: `${nickname} redirects you elsewhere`,
    detail: `The answer is a redirect out of the share of ${nickname}, to ${href}`,
    next: 'It was not followed. Open that address yourself if you trust it.',
    ...(/^https?:$/.test(protocol) && { link: { href, text: href } }),
  }
}

interface Link {
  readonly href: string
  readonly text: string
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
