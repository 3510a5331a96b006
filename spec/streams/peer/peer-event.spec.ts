import { describe, expect, it } from '@jest/globals'
import { from, lastValueFrom, toArray } from 'rxjs'
import { LighthouseError } from '../../../src/protocol/errors.js'
import { type PeerEvent, toPeerEvents } from '../../../src/streams/peer/peer-event.js'
import type { PeerReport } from '../../../src/streams/peer/peer-state.js'
import { bob, carol } from '../../support/receipts.js'
import { signedReceipt } from '../support/coins.js'

const reason = new LighthouseError('webrtc-failed', 'x')
const tunnel = { nickname: 'bob', host: '127.0.0.1', port: 42_001 } as const

const eventsOf = (reports: readonly PeerReport[], missing?: LighthouseError): Promise<readonly PeerEvent[]> =>
  lastValueFrom(from(reports).pipe(toPeerEvents(missing), toArray()))

describe('toPeerEvents', () => {
  it('names the other end by its nickname where this peer knows it, else by its key', async () => {
    const ended = await eventsOf([
      { type: 'ended', nickname: 'bob', session: 's', reason },
      { type: 'ended', pubKey: carol, session: 's', reason },
    ])
    expect(ended).toEqual([
      { type: 'ended', with: 'bob', reason },
      { type: 'ended', with: carol, reason },
    ])
  })

  it('says of a refused receipt which session it was for, not what is signed in it', async () => {
    const receipt = signedReceipt('one', 5, bob, carol)
    const refused: PeerReport = { type: 'receipt-refused', moreBytes: 1, receipt, code: 'no-coins', message: 'm' }
    expect(await eventsOf([refused])).toEqual([
      { type: 'receipt-refused', session: receipt.session, code: 'no-coins', message: 'm' },
    ])
  })

  it('renames what has another name inside, and leaves out what a log does not show', async () => {
    const events = await eventsOf([
      { type: 'state', state: { type: 'authenticated' } },
      { type: 'balance', bytes: 5 },
      { type: 'attempt', nickname: 'bob' },
      { type: 'tunnel', tunnel },
      { type: 'hub-connection', hub: undefined },
      { type: 'resets', with: 'bob', session: 's', reason, count: 2 },
      { type: 'left-out', hub: 'h', kind: 'fork' },
      { type: 'unchecked', hub: 'h', reason },
      { type: 'defect', reason },
      { type: 'udp', udp: 'open' },
    ])
    expect(events).toEqual([
      { type: 'hub', state: { type: 'authenticated' } },
      { type: 'tunnel', tunnel },
      { type: 'streams-reset', with: 'bob', session: 's', reason, count: 2 },
      { type: 'evidence-left-out', hub: 'h', kind: 'fork' },
      { type: 'ledger-unchecked', hub: 'h', reason },
      { type: 'defect', reason },
    ])
  })

  it('begins with the implementation that cannot be loaded', async () => {
    expect(await eventsOf([{ type: 'tunnel', tunnel }], reason)).toEqual([
      { type: 'engine-missing', reason },
      { type: 'tunnel', tunnel },
    ])
  })
})
