import type { RtcSignal } from '../../ports.js'

export interface SignalGate {
  /** A signal of the local side. */
  local(signal: RtcSignal): void
  /** The other side's answer is in. */
  answered(): void
}

function withoutCandidates(signal: RtcSignal): RtcSignal {
  if (signal.type === 'candidate') return signal
  return { ...signal, sdp: signal.sdp.replace(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, '') }
}

/**
 * Lets local signals out in order: the description first, which names the session, and candidates once they may go. With
 * `waitsForAnswer` that is after the other side's answer is in, and the description names none either. Holds the
 * candidates of one connection until then.
 */
export function signalGate(waitsForAnswer: boolean, out: (signal: RtcSignal) => void): SignalGate {
  let held: RtcSignal[] = []
  let described = false
  let waiting = waitsForAnswer
  const flush = (): void => {
    if (!described || waiting) return
    const signals = held
    held = []
    signals.forEach(out)
  }
  return {
    local(signal) {
      if (signal.type === 'candidate') held.push(signal)
      else {
        described = true
        out(waiting ? withoutCandidates(signal) : signal)
      }
      flush()
    },
    answered() {
      waiting = false
      flush()
    },
  }
}
