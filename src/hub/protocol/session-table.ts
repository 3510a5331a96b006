/** Who is signed in: one live session a key. */
export class SessionTable<Session> {
  readonly #sessions = new Map<string, Session>()

  get size(): number {
    return this.#sessions.size
  }

  get(key: string): Session | undefined {
    return this.#sessions.get(key)
  }

  /** Makes this the session of the key. Returns the older one that it replaces. */
  enter(key: string, session: Session): Session | undefined {
    const older = this.#sessions.get(key)
    this.#sessions.set(key, session)
    return older
  }

  /** Forgets the session, unless a newer one has replaced it. */
  leave(key: string, session: Session): void {
    if (this.#sessions.get(key) === session) this.#sessions.delete(key)
  }
}
