import { describe, expect, it } from '@jest/globals'
import {
  answerFileRequest,
  type FileAnswer,
  type FileRequest,
  lastModified,
} from '../../../src/protocol/http/file-request.js'

const changedMs = Date.parse('Fri, 13 Nov 2026 10:00:00 GMT') + 250
const version = { size: 100, etag: '"now"', changedMs, tickMs: 20 }
const same = 'Fri, 13 Nov 2026 10:00:00 GMT'
const before = 'Fri, 13 Nov 2026 09:59:59 GMT'
const after = 'Fri, 13 Nov 2026 10:00:01 GMT'
const range = 'bytes=0-9'

function answer(headers: Partial<FileRequest>, nowMs = changedMs + 60_000): FileAnswer {
  const none = {
    method: 'GET',
    range: undefined,
    ifRange: undefined,
    ifMatch: undefined,
    ifNoneMatch: undefined,
    ifModifiedSince: undefined,
    ifUnmodifiedSince: undefined,
  }
  return answerFileRequest({ ...none, ...headers }, version, nowMs)
}

describe('answerFileRequest', () => {
  const cases: readonly [Partial<FileRequest>, FileAnswer['type']][] = [
    [{}, 'whole'],
    [{ range }, 'parts'],
    [{ range, method: 'HEAD' }, 'whole'],
    [{ range: 'bytes=100-' }, 'unsatisfiable'],
    [{ range: 'lines=1-2' }, 'whole'],
    [{ ifNoneMatch: '"now"' }, 'not-modified'],
    [{ ifNoneMatch: 'W/"now"' }, 'not-modified'],
    [{ ifNoneMatch: '"old", "now"' }, 'not-modified'],
    [{ ifNoneMatch: '*' }, 'not-modified'],
    [{ ifNoneMatch: '"old"' }, 'whole'],
    [{ ifNoneMatch: 'now' }, 'whole'],
    [{ ifNoneMatch: '"old"', ifModifiedSince: after }, 'whole'],
    [{ ifNoneMatch: '"now"', range }, 'not-modified'],
    [{ ifNoneMatch: '"now"', method: 'HEAD' }, 'not-modified'],
    [{ ifModifiedSince: same }, 'not-modified'],
    [{ ifModifiedSince: after }, 'not-modified'],
    [{ ifModifiedSince: before }, 'whole'],
    [{ ifModifiedSince: 'yesterday' }, 'whole'],
    [{ ifMatch: '"now"' }, 'whole'],
    [{ ifMatch: '*' }, 'whole'],
    [{ ifMatch: '"old"' }, 'precondition-failed'],
    [{ ifMatch: 'W/"now"' }, 'precondition-failed'],
    [{ ifMatch: '"old"', range }, 'precondition-failed'],
    [{ ifUnmodifiedSince: same }, 'whole'],
    [{ ifUnmodifiedSince: before }, 'precondition-failed'],
    [{ ifUnmodifiedSince: 'soon' }, 'whole'],
    [{ ifMatch: '"now"', ifUnmodifiedSince: before }, 'whole'],
    [{ range, ifRange: '"now"' }, 'parts'],
    [{ range, ifRange: '"old"' }, 'whole'],
    [{ range, ifRange: 'W/"now"' }, 'whole'],
    [{ range, ifRange: same }, 'parts'],
    [{ range, ifRange: before }, 'whole'],
    [{ range, ifRange: after }, 'whole'],
    [{ range, ifRange: '' }, 'whole'],
    [{ range: 'bytes=100-', ifRange: '"old"' }, 'whole'],
  ]
  it.each(cases)('%j: %s', (headers, type) => {
    expect(answer(headers).type).toBe(type)
  })

  it('has no date that a later change could share', () => {
    expect(lastModified(version, changedMs)).toBeUndefined()
    expect(lastModified(version, changedMs + 769)).toBeUndefined()
    expect(lastModified(version, changedMs + 770)).toBe(same)
    expect(lastModified(version, changedMs - 3_600_000)).toBeUndefined()
    expect(lastModified({ ...version, changedMs: 9e15 }, changedMs)).toBeUndefined()
    expect(lastModified({ ...version, changedMs: -9e15 }, changedMs)).toBeUndefined()
    expect(lastModified({ ...version, tickMs: 2_000 }, changedMs + 2_749)).toBeUndefined()
    expect(lastModified({ ...version, tickMs: 2_000 }, changedMs + 2_750)).toBe(same)
    expect(answer({ range, ifRange: same }, changedMs + 769).type).toBe('whole')
    expect(answer({ range, ifRange: same }, changedMs + 770).type).toBe('parts')
  })
})
