import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { firstValueFrom } from 'rxjs'
import { createInvites$ } from '../../src/hub/app.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../support/postgres.node.js'
import { describeIf } from '../support/requires.js'
import { newAccount, postRegistration, registration, startHub } from './support.js'

describeIf(postgresAvailable(), POSTGRES_REASON)('a hub on PostgreSQL', () => {
  let postgres: PostgresCluster | undefined
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres?.remove())

  it('takes invites that were made beside it', async () => {
    const database = await postgres!.createDatabase()
    const hub = await startHub({ database, registration: 'invite' })
    const [invite, ...rest] = await firstValueFrom(createInvites$({ database, count: 2 }))
    expect(rest).toHaveLength(1)
    expect((await postRegistration(hub, { ...registration(newAccount('alice')), invite })).status).toBe(201)
    expect((await postRegistration(hub, { ...registration(newAccount('bob')), invite })).status).toBe(403)
  })

  it('answers 503 to a question for its health while the database hangs, and 200 when it goes on', async () => {
    const hub = await startHub({ database: await postgres!.createDatabase() })
    postgres!.freeze()
    const response = await fetch(`${hub.url}/v1/health`).finally(() => postgres!.thaw())
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ status: 'failing', database: 'failing', bus: 'ok' })
    const healthy = async (): Promise<number> => {
      const { status } = await fetch(`${hub.url}/v1/health`)
      return status === 200 ? status : healthy()
    }
    expect(await healthy()).toBe(200)
  })
})
