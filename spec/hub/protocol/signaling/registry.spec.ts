import { describe, expect, it } from '@jest/globals'
import { parseRegistration } from '../../../../src/hub/protocol/signaling/registry.js'

const body = { pub_key: 'key', nickname: 'ann', signature: 'signature' }

describe('parseRegistration', () => {
  it.each([body, { ...body, invite: 'code' }])('takes %j', whole => {
    expect(parseRegistration(whole)).toEqual(whole)
  })

  it.each([
    undefined,
    null,
    'text',
    [],
    {},
    { ...body, nickname: 7 },
    { ...body, pub_key: undefined },
    { ...body, signature: null },
    { ...body, invite: null },
    { ...body, coins: 7 },
  ])('refuses %j', broken => {
    expect(parseRegistration(broken)).toBeUndefined()
  })
})
