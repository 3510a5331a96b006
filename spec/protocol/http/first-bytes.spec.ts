import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { helloFor } from '../../support/tls-hello.node.js'
import { type FirstBytes, judgeFirstBytes } from '../../../src/protocol/http/first-bytes.js'

const isOwnName = (name: string): boolean => name === 'bob.localhost'
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const judge = (text: string): FirstBytes => judgeFirstBytes(bytes(text), isOwnName)

describe('judgeFirstBytes', () => {
  it.each([
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.0\n',
    'hello /%20 HTTP/1.1\r\n',
    'GET  /two spaces HTTP/1.1 \r\n',
    'OPTIONS * HTTP/1.1\r\n',
    'GET http://127.0.0.1:42001/ HTTP/1.1\r\n',
    `GET /${'a'.repeat(20_000)}`,
  ])('takes %j for HTTP', text => {
    expect(judge(text)).toBe('http')
  })

  it.each([
    ['a greeting of ssh', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a Redis command', '*1\r\n$4\r\nPING\r\n'],
    ['an inline Redis command', 'GET key\r\n'],
    ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\n'],
    ['a record of TLS that is no greeting', '\x17\x03\x03\x00\x01\x00'],
    ['what begins as TLS does', '\x16\x04\x01\x02\x00'],
    ['a git request', '0033git-upload-pack /project.git\0host=myserver.com\0'],
    ['a long word', 'a'.repeat(65)],
    ['an empty line', '\r\n'],
  ])('takes %s for something else', (_what, text) => {
    expect(judge(text)).toBe('other')
  })

  it.each(['', 'G', 'GET', 'GET ', 'GET /', 'GET / HTTP/1.1', 'hello'])('waits for more after %j', text => {
    expect(judge(text)).toBe('undecided')
  })

  it.each([
    ['our name', 'bob.localhost', 'other'],
    ['no name', undefined, 'other'],
    ['another name', 'evil.example', 'foreign'],
  ] as const)('judges TLS for %s, once its greeting is whole', async (_what, name, verdict) => {
    const hello = await helloFor(name)
    expect(judgeFirstBytes(hello, isOwnName)).toBe(verdict)
    for (let cut = 1; cut < hello.length; cut += 7) {
      expect(judgeFirstBytes(hello.subarray(0, cut), isOwnName)).toBe('undecided')
    }
  })

  it('judges a request in any pieces as it does the whole', () => {
    const token = fc.stringMatching(/^[A-Za-z!#$%&'*+.^_`|~0-9-]{1,20}$/).filter(text => text !== 'CONNECT')
    const target = fc.stringMatching(/^\/[\x21-\x7e]{0,40}$/)
    fc.assert(
      fc.property(token, target, fc.constantFrom('0', '1'), fc.nat(), (method, path, minor, cut) => {
        const line = bytes(`${method} ${path} HTTP/1.${minor}\r\n`)
        expect(judgeFirstBytes(line, isOwnName)).toBe('http')
        expect(judgeFirstBytes(line.subarray(0, cut % (line.length - 1)), isOwnName)).toBe('undecided')
      }),
    )
  })
})
