/**
 * Sends a listing, as small as it can be: a peer that opens somebody else's folder pays for each byte, and again each time
 * that they come back to it.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { preferredCoding, preferredType } from '../http/negotiation.js'
import { judgeConditions } from '../../protocol/http/file-request.js'
import type { ListedPage } from './folder-listing.node.js'
import { listingJson, renderListing } from './listing-page.js'
import { pageSecurityPolicy } from '../http/page.node.js'
import { preconditionFailed, sendProblem } from '../http/problem.node.js'

/** Below this a coding saves less than the headers that name it. */
const minCodedBytes = 1_000

/** 1,000 names in 5 to 20 ms: 285 kB become 11. The highest quality saves a fifth more and takes a hundred times as long. */
const brotliParams = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 18 }

const [brotliAsync, gzipAsync] = [promisify(brotliCompress), promisify(gzip)]

type Coding = 'br' | 'gzip' | 'identity'

async function encode(body: Buffer, coding: Coding): Promise<Buffer> {
  if (coding === 'identity') return body
  return coding === 'br' ? brotliAsync(body, { params: brotliParams }) : gzipAsync(body)
}

/** Answers a GET or HEAD with a page of a folder, for people or for programs. `names` is the way to it from the root. */
export async function sendListing(
  req: IncomingMessage,
  res: ServerResponse,
  names: readonly string[],
  page: ListedPage,
): Promise<void> {
  const { headers, method } = req
  const type = preferredType(req, ['text/html', 'application/json'])
  const isPage = type === 'text/html'
  const body = Buffer.from(isPage ? renderListing(names, page) : listingJson(names, page))
  // Weak, as it is the same for each coding of the text. Nobody asks for ranges of a listing.
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  const known = { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] }
  const verdict = judgeConditions(known, tag)
  if (verdict === 'precondition-failed') {
    return sendProblem(req, res, preconditionFailed('folder'))
  }
  res.setHeader('ETag', `W/${tag}`)
  res.setHeader('Cache-Control', 'private, no-cache')
  res.setHeader('Vary', 'Accept, Accept-Encoding')
  if (isPage) res.setHeader('Content-Security-Policy', pageSecurityPolicy)
  if (verdict === 'not-modified') {
    res.writeHead(304).end()
    return
  }
  const coding = body.length < minCodedBytes ? 'identity' : preferredCoding(req, ['br', 'gzip'])
  const coded = await encode(body, coding)
  res.setHeader('Content-Type', isPage ? 'text/html; charset=utf-8' : type)
  if (coding !== 'identity') res.setHeader('Content-Encoding', coding)
  res.setHeader('Content-Length', coded.length)
  res.end(method === 'HEAD' ? undefined : coded)
}
