import { closeDatabase, openDatabase } from '../../adapters/sqlite-file.node.js'
import type { Database, SqliteLibrary } from '../../adapters/sqlite-library.node.js'
import { LighthouseError } from '../../protocol/errors.js'
import { prepareSchema } from './sqlite-schema.js'

type SqlValue = string | number | null

function failed(error: unknown, what: string): LighthouseError {
  if (error instanceof LighthouseError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new LighthouseError('store-failed', `${what}: ${reason}`, {}, { cause: error })
}

/** One open database with its statements, prepared when first used and kept. */
export class SqliteConnection {
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>()

  constructor(private readonly database: Database) {}

  get<Row>(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined
  }

  all<Row>(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as Row[]
  }

  /** Returns how many rows were changed. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return this.#prepare(sql).run(...values).changes
  }

  /** Errors of the library become `store-failed`. */
  async attempt<Result>(work: () => Result): Promise<Result> {
    try {
      return work()
    } catch (error) {
      throw failed(error, 'The database cannot be read or written')
    }
  }

  /**
   * All or nothing, on the disk when it resolves. `work` is synchronous, so nothing else of this process comes between;
   * so is `undone`, which is called when nothing of it was kept, before another transaction can begin.
   */
  transaction<Result>(work: () => Result, undone: () => void = () => undefined): Promise<Result> {
    return this.attempt(() => {
      this.database.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.database.exec('COMMIT')
        return result
      } catch (error) {
        undone()
        if (this.database.isTransaction) this.database.exec('ROLLBACK')
        throw error
      }
    })
  }

  /** Takes the right to write for as long as `work` runs, and writes nothing: no sync for whoever likes to ask. */
  rehearsal(work: () => void): Promise<void> {
    return this.attempt(() => {
      this.database.exec('BEGIN IMMEDIATE')
      try {
        work()
      } finally {
        this.database.exec('ROLLBACK')
      }
    })
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

/** Opens a file, or `:memory:`, and brings its schema to this version. Throws `store-failed`. */
export function openStore(library: SqliteLibrary, path: string): Database {
  try {
    const database = openDatabase(library, path)
    try {
      prepareSchema(database)
      return database
    } catch (error) {
      closeDatabase(database)
      throw error
    }
  } catch (error) {
    throw failed(
      error,
      `The database ${path} cannot be opened. Check that its folder exists and can be written, and that no other hub uses it`,
    )
  }
}
