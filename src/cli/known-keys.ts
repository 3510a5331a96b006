import { firstValueFrom, type Observable } from 'rxjs'
import { readMetadata } from '../adapters/store/metadata-file.node.js'
import { openSiteFile } from '../adapters/store/site-file.node.js'
import { openTrustFile } from '../adapters/store/trust-file.node.js'
import type { SiteChoice } from '../ports/sites.js'
import type { Forgotten, KeyOfPeer, KnownKeys } from '../ports/known-keys.js'
import { parseMembers } from '../protocol/json.js'
import { hubUrl } from '../protocol/peer/metadata.js'
import { isPublicKey } from '../protocol/signaling/signal.js'
import { createKnownKeys } from '../streams/peer/known-keys.js'
import type { Context } from './commands/context.js'
import { askPeer } from './control.js'
import { CommandFailure } from './failure.js'

/** The body of an answer to `/control/key/NICK` and `/control/trust/NICK/KEY`. Throws SyntaxError when it is something else. */
function readKey(body: string): KeyOfPeer {
  const { known, current } = parseMembers(body)
  if (!isPublicKey(current) || (known !== null && !isPublicKey(known))) throw new SyntaxError('not /control/key')
  return { known: known ?? undefined, current }
}

function isSite(value: unknown): value is SiteChoice | null {
  return value === null || value === 'trusted' || value === 'plain'
}

/** The body of an answer to `/control/forget/NICK`. Throws SyntaxError when it is something else. */
function readForgotten(body: string): Forgotten {
  const { key, site } = parseMembers(body)
  if ((key !== null && !isPublicKey(key)) || !isSite(site)) throw new SyntaxError('not /control/forget')
  return { key: key ?? undefined, site: site ?? undefined }
}

/** What the home remembers of others: asked of the running peer, which has the files to itself, else done on the files. */
export interface HomeKeys {
  lookUp(nickname: string): Promise<KeyOfPeer>
  trust(nickname: string, key: string): Promise<KeyOfPeer>
  forget(nickname: string): Promise<Forgotten>
}

export function homeKeys({ io, home }: Context): HomeKeys {
  const onFiles = (): KnownKeys => {
    const identity = readMetadata(home)
    if (identity === undefined) throw new CommandFailure('not-registered', `nobody is registered in "${home}"`)
    const { crypto, hubClient } = io.parts
    const stores = { trust: openTrustFile(home), sites: openSiteFile(home) }
    return createKnownKeys({ identity, ...stores, hub: hubClient(hubUrl(identity.host)), crypto })
  }
  const perform = async <T>(
    path: string,
    read: (body: string) => T,
    onFile$: (keys: KnownKeys) => Observable<T>,
  ): Promise<T> => {
    try {
      return (await askPeer(home, 'POST', path, read)).value
    } catch (error) {
      if (!(error instanceof CommandFailure) || error.code !== 'not-running') throw error
    }
    return firstValueFrom(onFile$(onFiles()))
  }
  return {
    lookUp: nickname => perform(`/control/key/${nickname}`, readKey, keys => keys.lookUp$(nickname)),
    trust: (nickname, key) =>
      perform(`/control/trust/${nickname}/${encodeURIComponent(key)}`, readKey, keys => keys.trust$(nickname, key)),
    forget: nickname => perform(`/control/forget/${nickname}`, readForgotten, keys => keys.forget$(nickname)),
  }
}
