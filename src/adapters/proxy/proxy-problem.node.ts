import type { IncomingMessage, ServerResponse } from 'node:http'
import { type LighthouseError, toLighthouseError } from '../../protocol/errors.js'
import { describeFailure } from '../../protocol/http/error-answers.js'
import { sendProblem } from '../http/problem.node.js'

/** Answers with what an error means over HTTP. Other errors are reported as a failed connection. */
export function sendFailure(req: IncomingMessage, res: ServerResponse, error: unknown, nickname?: string): void {
  const failure: LighthouseError = toLighthouseError('webrtc-failed', error)
  sendProblem(req, res, describeFailure(failure, nickname))
}
