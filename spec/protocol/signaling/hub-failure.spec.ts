import { describe, expect, it } from '@jest/globals'
import { unreachableReason } from '../../../src/protocol/signaling/hub-failure.js'

const wrongVersion = 'error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl'

describe('unreachableReason', () => {
  it.each([
    ['fetch', { code: 'ERR_SSL_WRONG_VERSION_NUMBER', message: wrongVersion }],
    ['a socket', { code: 'EPROTO', message: `write EPROTO ${wrongVersion}` }],
    ['a later OpenSSL', { code: 'ERR_SSL_PACKET_LENGTH_TOO_LONG', message: 'packet length too long' }],
  ])('says which scheme to use where no HTTPS is spoken, as %s tells it', (_who, failure) => {
    expect(unreachableReason('https://192.168.1.7:3000', failure)).toBe(
      'this address does not speak HTTPS. Use http://192.168.1.7:3000',
    )
    const far = unreachableReason('https://hub.example', failure)
    expect(far).toMatch(/^this address does not speak HTTPS\. .*TLS/)
    // Plain text across a network is refused, so it is not proposed.
    expect(far).not.toContain('http://')
  })

  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'],
    ['CERT_HAS_EXPIRED', 'certificate has expired'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', "Hostname/IP does not match certificate's altnames"],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unable to get local issuer certificate'],
  ])('says whose certificate it is not: %s', (code, message) => {
    const reason = unreachableReason('https://hub.example', { code, message })
    expect(reason).toContain(`(${message})`)
    expect(reason).toContain('Ask its operator')
  })

  it('says that something else is spoken there, or HTTPS perhaps', () => {
    expect(unreachableReason('http://127.0.0.1:22', { code: 'HPE_INVALID_CONSTANT' })).toMatch(/does not speak HTTP\./)
    for (const code of ['ECONNRESET', 'UND_ERR_SOCKET']) {
      expect(unreachableReason('http://127.0.0.1:3000', { code, message: 'socket hang up' })).toContain(
        'If it speaks HTTPS, use https://127.0.0.1:3000',
      )
    }
  })

  it("leaves the system's own words otherwise", () => {
    const message = 'connect ECONNREFUSED 127.0.0.1:3000'
    expect(unreachableReason('http://127.0.0.1:3000', { code: 'ECONNREFUSED', message })).toBe(message)
    expect(unreachableReason('https://hub.example', {})).toBe('the connection failed')
  })
})
