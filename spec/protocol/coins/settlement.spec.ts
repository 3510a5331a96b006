import { describe, expect, it } from '@jest/globals'
import { parseSettlement } from '../../../src/protocol/coins/receipt.js'
import { settlement } from '../../support/receipts.js'

describe('parseSettlement', () => {
  const bare = { ...settlement('one', 900), signature: Buffer.alloc(64).toString('base64') }
  const told = { ...bare, consumer_coins: '12.500000' }

  it('takes the wallet of the consumer where the hub tells it, and goes without', () => {
    expect(parseSettlement(bare)).toEqual(bare)
    expect(parseSettlement({ ...told, more: 1 })).toEqual(told)
  })

  it.each([12.5, '', '-1', '1e9', null, {}])('drops a wallet of %p', wallet => {
    expect(parseSettlement({ ...bare, consumer_coins: wallet })).toEqual(bare)
  })
})
