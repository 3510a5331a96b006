import type { LighthouseError } from '../../../protocol/errors.js'
import type { Database } from './library.node.js'

type SqlValue = string | number | null

/**
 * All or nothing, committed when it returns. `work` is synchronous, so nothing else of this process comes between. Throws
 * what the library throws, and what `work` does.
 */
export function inTransaction<Result>(database: Database, work: () => Result): Result {
  // Takes the right to write at once: a file that another process has locked is refused here, not in the middle of it.
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // Some failures have undone it already.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/**
 * One open database with its statements, prepared when first used and kept. What its methods throw went through `failed`,
 * more than once where calls are nested: it leaves alone what is its own.
 */
export class SqliteConnection {
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>()

  constructor(
    private readonly database: Database,
    private readonly failed: (error: unknown) => LighthouseError,
  ) {}

  get<Row>(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.attempt(() => this.#prepare(sql).get(...values) as Row | undefined)
  }

  all<Row>(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.attempt(() => this.#prepare(sql).all(...values) as Row[])
  }

  /** Returns how many rows were changed. One statement is atomic by itself. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return this.attempt(() => this.#prepare(sql).run(...values).changes)
  }

  /** All or nothing of what `work` does, committed when it returns. */
  transaction<Result>(work: () => Result): Result {
    return this.attempt(() => inTransaction(this.database, work))
  }

  /** For what is done with rows: what `work` throws is translated as the library's errors are. */
  attempt<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw this.failed(error)
    }
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
