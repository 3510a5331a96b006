import type { Logger } from 'pino'
import { writeEvidence } from '../../adapters/store/evidence-file.node.js'
import type { PeerEvent } from '../../index.js'
import type { LighthouseError } from '../../protocol/errors.js'
import type { EvidenceKind } from '../../protocol/ledger/evidence.js'
import type { Context } from './context.js'

type EventOf<Type extends PeerEvent['type']> = Extract<PeerEvent, { type: Type }>

/** What may have an innocent cause: a hub restored from a backup, or receipts of this home that were. */
const deniable: ReadonlySet<EvidenceKind> = new Set(['rollback', 'forged'])

/** The hub was caught: notifies the user, and stores the evidence. `full` are kinds for which no more is stored. */
function keepEvidence({ output, home }: Context, event: EventOf<'evidence'>, full: Set<EvidenceKind>): void {
  const { type, ...evidence } = event
  const sentence = `The hub ${deniable.has(event.kind) ? 'may not be' : 'is not'} honest: ${event.message}.`
  let path: string | undefined
  try {
    path = writeEvidence(home, evidence, Date.now())
  } catch (error) {
    output.notice(
      `${sentence} The evidence could not be stored: ${error instanceof Error ? error.message : String(error)}.`,
    )
    return
  }
  if (output.json) output.result({ type, kind: event.kind, message: event.message, path }, '')
  if (path !== undefined) return output.notice(`${sentence} The evidence is in ${path}.`)
  if (full.has(event.kind)) return output.notice(sentence)
  full.add(event.kind)
  output.notice(
    `${sentence} It was not stored: there are already a hundred files of evidence of the kind "${event.kind}". Move them away first.`,
  )
}

/** Without a notice the hub would seem honest. */
function warn({ output }: Context, { type, reason: { code, message } }: EventOf<'ledger-unchecked'>): void {
  if (output.json) output.result({ type, code, message }, '')
  output.notice(
    `The ledger of this hub cannot be checked, so nobody knows whether it is honest: ${message}. Ask its operator.`,
  )
}

/** An error for the log, with the stack if it is a defect. */
function words({ code, message, cause }: LighthouseError): object {
  return code === 'internal' && cause instanceof Error ? { code, message, stack: cause.stack } : { code, message }
}

/** `error` for a defect in this program. */
function levelOf({ code }: LighthouseError, otherwise: 'info' | 'warn' | 'error'): 'info' | 'warn' | 'error' {
  return code === 'internal' ? 'error' : otherwise
}

/** Logs what happens to a running peer, and shows the owner what concerns them. */
export function eventReporter(context: Context, log: Logger): (event: PeerEvent) => void {
  const full = new Set<EvidenceKind>()
  return event => {
    switch (event.type) {
      case 'evidence':
        return keepEvidence(context, event, full)
      case 'evidence-left-out':
        log.warn(event, event.type)
        return context.output.notice(`There are more findings of the kind "${event.kind}" than are shown here.`)
      case 'receipt-refused':
        return log.warn(event, event.type)
      case 'receipts-failed':
        return log.error(words(event.reason), event.type)
      case 'ledger-unchecked':
        log.error({ hub: event.hub, ...words(event.reason) }, event.type)
        return warn(context, event)
      case 'engine-missing':
        return log.warn({ used: 'wrtc', ...words(event.reason) }, event.type)
      case 'ended':
        return log[levelOf(event.reason, 'info')]({ with: event.with, ...words(event.reason) }, event.type)
      case 'streams-reset': {
        const { type, reason, with: other, session, count } = event
        const level = levelOf(reason, reason.code === 'stream-reset' ? 'info' : 'warn')
        return log[level]({ with: other, session, count, ...words(reason) }, type)
      }
      case 'defect':
        return log.error(words(event.reason), event.type)
      case 'hub':
      case 'tunnel':
        return log.info(event, event.type)
    }
  }
}
