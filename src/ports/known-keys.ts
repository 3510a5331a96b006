import type { Observable } from 'rxjs'
import type { SiteChoice } from '../ports/sites.js'

/** The key of a peer, base64. */
export interface KeyOfPeer {
  /** The one that is remembered for the nickname. */
  readonly known: string | undefined
  /** The one that the hub gives for it now. */
  readonly current: string
}

/** What was remembered of a nickname. */
export interface Forgotten {
  readonly key: string | undefined
  /** What the user said about the site of that key. */
  readonly site: SiteChoice | undefined
}

/** What a peer remembers of others. Each observable acts on subscription, emits once and completes; errors are LighthouseErrors. */
export interface KnownKeys {
  /** Asks the hub. */
  lookUp$(nickname: string): Observable<KeyOfPeer>
  /**
   * Remembers this key in place of the known one. Errors with `key-changed` when the hub gives yet another by now. What was said and
   * owed stays with the old key.
   */
  trust$(nickname: string, key: string): Observable<KeyOfPeer>
  /** Forgets the key and what was said about its site: the next key is remembered on first use. */
  forget$(nickname: string): Observable<Forgotten>
}
