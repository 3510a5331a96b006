import { afterAll, beforeAll } from '@jest/globals'
import { defer, switchMap } from 'rxjs'
import { blockHash } from '../../../src/hub/adapters/block-hash.js'
import { postgresStore$ } from '../../../src/hub/adapters/postgres-store.js'
import { type PostgresCluster, POSTGRES_REASON, postgresAvailable, startPostgres } from '../../support/postgres.node.js'
import { describeIf } from '../../support/requires.js'
import { describeHubStore } from '../store.contract.js'

const quiet = { warn: () => undefined }

describeIf(postgresAvailable(), POSTGRES_REASON)('PostgreSQL', () => {
  let cluster: PostgresCluster
  beforeAll(async () => (cluster = await startPostgres()))
  afterAll(() => cluster.remove())

  describeHubStore('A PostgreSQL database', () =>
    defer(() => cluster.createDatabase()).pipe(switchMap(url => postgresStore$(url, blockHash, quiet))),
  )
})
