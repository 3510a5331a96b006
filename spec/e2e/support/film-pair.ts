import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster, ClusterPeer } from '../../support/cluster.node.js'
import { writePattern } from '../../support/transfer.node.js'

/** Alice and bob, who both share a folder with `film.bin` in it. */
export interface FilmPair {
  readonly share: string
  readonly sha256: string
  readonly alice: ClusterPeer
  readonly bob: ClusterPeer
  /** Bob's film, as alice reaches it. */
  readonly url: string
}

export async function startFilmPair(
  { folder, register, up }: Pick<Cluster, 'folder' | 'register' | 'up'>,
  filmBytes: number,
): Promise<FilmPair> {
  const share = join(folder, 'share')
  mkdirSync(share)
  const sha256 = writePattern(join(share, 'film.bin'), filmBytes)
  const start = async (nickname: string): Promise<ClusterPeer> => {
    await register(nickname)
    return up(nickname, { share })
  }
  const [alice, bob] = await Promise.all([start('alice'), start('bob')])
  return { share, sha256, alice, bob, url: `${alice.proxy}proxy/bob/film.bin` }
}
