/** A connection to another peer, phase by phase, as checks. */
import { type ErrorCode, LighthouseError } from '../errors.js'
import { describeFailure } from '../http/error-answers.js'
import type { CandidateKind } from '../signaling/attempt.js'
import { type Check, failing, fine, type Diagnosis, warning } from './check.js'
import type { ProbeEvent } from './probe.js'

/** The phases in their order. */
const names = ['name', 'offer', 'delivery', 'answer', 'connection', 'path', 'round trip', 'first bytes'] as const
type Name = (typeof names)[number]

/** What was seen so far. */
export interface Phases {
  readonly peer: string
  /** When the last one ended, in milliseconds from the start. */
  readonly sinceMs: number
  readonly openMs: number
  readonly passed: ReadonlySet<Name>
  readonly own: ReadonlySet<CandidateKind>
  readonly other: ReadonlySet<CandidateKind>
  /** What failed has been said. */
  readonly hasFailed: boolean
  /** A path through TURN, which is often ready first and left as soon as there is a better one. */
  readonly relayed: (ProbeEvent & { readonly type: 'path' }) | undefined
}

export type PhasesStep = readonly [Phases, readonly Check[]]

export function newPhases(peer: string): Phases {
  return {
    peer,
    sinceMs: 0,
    openMs: 0,
    passed: new Set(),
    own: new Set(),
    other: new Set(),
    hasFailed: false,
    relayed: undefined,
  }
}

const kindWords: Readonly<Record<CandidateKind, string>> = { host: 'local', srflx: 'public', relay: 'TURN' }

function kindsOf(kinds: ReadonlySet<CandidateKind>): string {
  return kinds.size === 0 ? 'none' : [...kinds].map(kind => kindWords[kind]).join(', ')
}

const pathWords: Readonly<Record<string, string>> = {
  host: 'direct, in one network or without routers between',
  srflx: 'direct, through routers',
  prflx: 'direct, through routers',
  relay: 'through a TURN server, which is slower',
}

function pass(phases: Phases, name: Name, ms: number, since: number, verdict: Diagnosis): PhasesStep {
  if (phases.passed.has(name)) return [phases, []]
  const next: Phases = { ...phases, sinceMs: ms, passed: new Set(phases.passed).add(name) }
  return [next, [{ name, ...verdict, ms: ms - since }]]
}

function judgeAnswer(peer: string, status: number | undefined): Diagnosis {
  if (status === undefined) return fine(`what ${peer} shares answers, and is no HTTP`)
  return status < 400
    ? fine(`what ${peer} shares answers (HTTP status ${status})`)
    : warning(`what ${peer} shares answers with HTTP status ${status}`, `Ask the owner of ${peer} what is shared.`)
}

function passPath(phases: Phases, event: ProbeEvent & { readonly type: 'path' }): PhasesStep {
  const { ms, kind, roundTripMs } = event
  const [seen, path] = pass(phases, 'path', ms, phases.openMs, fine(pathWords[kind] ?? kind))
  if (roundTripMs === undefined) return [seen, path]
  const [whole, trip] = pass(seen, 'round trip', ms, ms, fine(`${roundTripMs.toFixed(1)} ms`))
  return [whole, [...path, ...trip]]
}

/** The first one that has not been passed. */
function missing({ passed }: Phases): Name {
  return names.find(name => !passed.has(name)) ?? 'connection'
}

/** What an event adds. Pure and total. */
export function stepPhases(phases: Phases, event: ProbeEvent): PhasesStep {
  const { peer, sinceMs, openMs } = phases
  const { ms } = event
  switch (event.type) {
    case 'candidates':
      return [{ ...phases, [event.side]: new Set([...phases[event.side], ...event.kinds]) }, []]
    case 'path':
      return event.kind === 'relay' ? [{ ...phases, relayed: event }, []] : passPath(phases, event)
    case 'answer':
      return pass(phases, 'first bytes', ms, openMs, judgeAnswer(peer, event.status))
    case 'failed': {
      const { code, message, next } = event
      const known = next ?? describeFailure(new LighthouseError(code, message), peer).next
      return pass(
        { ...phases, hasFailed: true },
        missing(phases),
        ms,
        sinceMs,
        failing(message.replace(/\.$/, ''), known, code),
      )
    }
    case 'phase':
      switch (event.phase) {
        case 'offering':
          return pass(phases, 'name', ms, sinceMs, fine(`the hub knows ${peer}`))
        case 'connecting':
          return pass(phases, 'offer', ms, sinceMs, fine('WebRTC made an offer'))
        case 'delivered':
          return pass(phases, 'delivery', ms, sinceMs, fine(`the hub delivered it to ${peer}`))
        case 'answered':
          return pass(phases, 'answer', ms, sinceMs, fine(`${peer} answered`))
        case 'open': {
          const words = `addresses of this side: ${kindsOf(phases.own)}; of ${peer}: ${kindsOf(phases.other)}`
          return pass({ ...phases, openMs: ms }, 'connection', ms, sinceMs, fine(`open (${words})`))
        }
      }
  }
}

/** What is left to say at the end. */
export function endPhases(phases: Phases, ms: number): readonly Check[] {
  const { peer, openMs, passed, hasFailed, relayed } = phases
  const path = relayed === undefined ? [] : passPath(phases, relayed)[1]
  if (hasFailed || !passed.has('connection') || passed.has('first bytes')) return path
  const code: ErrorCode = 'peer-silent'
  const verdict = failing(
    `nothing came of what ${peer} shares`,
    `Ask the owner of ${peer} whether what is shared works there.`,
    code,
  )
  return [...path, { name: 'first bytes', ...verdict, ms: ms - openMs }]
}
