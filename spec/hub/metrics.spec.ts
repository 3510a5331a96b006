import { describe, expect, it } from '@jest/globals'
import { nodeCrypto } from '../../src/adapters/crypto/crypto.node.js'
import { postRegistration, newAccount, registration, startHub } from './support.js'

describe('GET /metrics of a running hub', () => {
  it('says how it is, beside what it has counted', async () => {
    const controlToken = nodeCrypto.randomId(32)
    const hub = await startHub({ registration: 'invite', controlToken })
    const figures = async (): Promise<Map<string, number>> => {
      const lines = (await (await fetch(`${hub.url}/metrics`)).text()).matchAll(/^lighthouse_hub_(\w+) (\S+)$/gm)
      return new Map([...lines].map(([, name, value]) => [name!, Number(value)]))
    }
    const headers = { 'x-lighthouse-token': controlToken }
    const made = await fetch(`${hub.url}/control/invites?count=3`, { method: 'POST', headers })
    const { invites } = (await made.json()) as { readonly invites: readonly string[] }
    await postRegistration(hub, { ...registration(newAccount('alice')), invite: invites[0] })
    const now = await figures()
    expect(Object.fromEntries(now)).toMatchObject({
      invites_made_total: 3,
      open_invites: 2,
      bus_connected: 1,
      bus_pending_questions: 0,
      bus_congested_total: 0,
      bus_timeouts_total: 0,
      pending_receipts: 0,
      pending_receipts_limit: 4_096,
      ledger_downloads: 0,
    })
    expect(now.get('resident_memory_bytes')).toBeGreaterThan(1_000_000)
    expect(now.get('event_loop_lag_seconds')).toBeGreaterThanOrEqual(0)
  })
})
