import { describe, expect, it } from '@jest/globals'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { formatMetadata, hubUrl, parseMetadata } from '../../../src/protocol/peer/metadata.js'

const file = {
  pub_key: Buffer.alloc(32, 1).toString('base64'),
  priv_key: Buffer.concat([Buffer.alloc(32, 2), Buffer.alloc(32, 1)]).toString('base64'),
  nickname: 'bob',
  host: 'hub.example:3000',
}

function thrown(run: () => unknown): LighthouseError {
  try {
    run()
  } catch (error) {
    if (error instanceof LighthouseError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('metadata.json', () => {
  it('is read and written in the original’s names', () => {
    const identity = parseMetadata(JSON.stringify({ ...file, extra: true }))
    expect(identity).toEqual({
      pubKey: file.pub_key,
      privKey: file.priv_key,
      nickname: 'bob',
      host: 'hub.example:3000',
    })
    expect(JSON.parse(formatMetadata(identity))).toEqual(file)
    expect(parseMetadata(formatMetadata(identity))).toEqual(identity)
  })

  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /not JSON/],
    ['nothing', '', /not JSON/],
    ['null', 'null', /object/],
    ['a number', '7', /object/],
    ['a list', '[]', /pub_key/],
    ['a short key', JSON.stringify({ ...file, pub_key: 'AAAA' }), /"pub_key".*32 bytes/],
    ['a seed alone', JSON.stringify({ ...file, priv_key: file.pub_key }), /"priv_key".*64 bytes/],
    [
      'the key of somebody else',
      JSON.stringify({ ...file, priv_key: Buffer.alloc(64, 2).toString('base64') }),
      /"priv_key" belongs to another/,
    ],
    ['no private key', JSON.stringify({ ...file, priv_key: undefined }), /"priv_key"/],
    ['a bad nickname', JSON.stringify({ ...file, nickname: 'Bob' }), /"nickname"/],
    ['a nickname of another type', JSON.stringify({ ...file, nickname: ['bob'] }), /"nickname"/],
    ['no hub', JSON.stringify({ ...file, host: '' }), /"host"/],
  ])('with %s is refused with the field and the rule', (_name, text, rule) => {
    const error = thrown(() => parseMetadata(text))
    expect(error.code).toBe('invalid-metadata')
    expect(error.message).toMatch(rule)
    expect(error.message).toMatch(/Restore the file, or register again/)
    expect(error.message).not.toContain(file.priv_key)
  })
})

describe('hubUrl', () => {
  it.each([
    ['hub.example', 'https://hub.example/'],
    ['hub.example:3000', 'https://hub.example:3000/'],
    ['https://hub.example', 'https://hub.example/'],
    ['HTTPS://HUB.example', 'https://hub.example/'],
    ['10.evil.example:3000', 'https://10.evil.example:3000/'],
    ['127.0.0.1.evil.example', 'https://127.0.0.1.evil.example/'],
    ['localhost.evil.example', 'https://localhost.evil.example/'],
    ['fd00.evil.example', 'https://fd00.evil.example/'],
    ['localhost:3000', 'http://localhost:3000/'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000/'],
    ['127.9.9.9', 'http://127.9.9.9/'],
    ['127.0.0.1:443', 'http://127.0.0.1:443/'],
    ['[::1]:3000', 'http://[::1]:3000/'],
    ['[fd00::1]', 'http://[fd00::1]/'],
    ['[fe80::1]', 'http://[fe80::1]/'],
    ['[2001:db8::1]', 'https://[2001:db8::1]/'],
    ['10.1.2.3', 'http://10.1.2.3/'],
    ['192.168.0.1', 'http://192.168.0.1/'],
    ['172.16.0.1', 'http://172.16.0.1/'],
    ['172.31.0.1', 'http://172.31.0.1/'],
    ['172.15.0.1', 'https://172.15.0.1/'],
    ['172.32.0.1', 'https://172.32.0.1/'],
    ['192.169.0.1', 'https://192.169.0.1/'],
    ['11.0.0.1', 'https://11.0.0.1/'],
    ['8.8.8.8', 'https://8.8.8.8/'],
    // Read as the address that they are: 0177 is octal for 127, 012 for 10, and 010 is 8.
    ['0177.0.0.1', 'http://127.0.0.1/'],
    ['0x7f.1', 'http://127.0.0.1/'],
    ['2130706433', 'http://127.0.0.1/'],
    ['012.0.0.1', 'http://10.0.0.1/'],
    ['010.8.8.8', 'https://8.8.8.8/'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000/'],
    ['http://localhost', 'http://localhost/'],
    ['https://127.0.0.1', 'https://127.0.0.1/'],
  ])('%s is %s', (host, url) => {
    expect(hubUrl(host).href).toBe(url)
  })

  it.each([
    ['http://hub.example', /plain http/],
    ['http://10.evil.example', /plain http/],
    ['http://8.8.8.8', /plain http/],
    ['http://010.8.8.8', /plain http/],
    ['http://[2001:db8::1]', /plain http/],
    ['http://[::ffff:8.8.8.8]', /plain http/],
    ['ws://hub.example', /http:\/\/ or https:\/\//],
    ['file:///etc/passwd', /http:\/\/ or https:\/\//],
    ['', /not an address/],
    ['hub example', /not an address/],
    ['hub.example:99999', /not an address/],
    ['256.1.1.1', /not an address/],
    ['[::1', /not an address/],
    ['hub.example/path', /host and a port/],
    ['hub.example?x', /host and a port/],
    ['hub.example#x', /host and a port/],
    ['user:secret@hub.example', /host and a port/],
    ['127.0.0.1@evil.example', /host and a port/],
    ['hub.example\\@evil.example', /host and a port/],
  ])('%j is refused', (host, rule) => {
    const error = thrown(() => hubUrl(host))
    expect([error.code, error.details.field]).toEqual(['invalid-option', 'hub'])
    expect(error.message).toMatch(rule)
  })
})
