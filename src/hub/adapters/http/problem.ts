import { STATUS_CODES } from 'node:http'
import type { Response } from 'express'

/** Answers with an RFC 9457 problem: `code` for programs, `detail` for people, with what to do next. */
export function sendJsonProblem(response: Response, status: number, code: string, detail: string): void {
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, code, detail }))
}

/** Answers a request that is not understood. */
export function sendMalformed(response: Response, detail: string): void {
  sendJsonProblem(response, 400, 'malformed', detail)
}
