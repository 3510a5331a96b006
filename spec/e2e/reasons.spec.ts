/**
 * Why there is no connection, as people read it: on the proxy's page and from `get`.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type ClusterPeer, clusters, startCli } from '../support/cluster.node.js'
import { readText } from '../support/transfer.node.js'
import { lonelySdp, type ScriptedPeer, scriptedPeer } from './support/scripted-peer.js'

const startCluster = clusters()
const scripted: ScriptedPeer[] = []
let hubUrl: string
let alice: ClusterPeer
/** At a hub whose STUN server does not answer. */
let blockedHubUrl: string
let blocked: ClusterPeer
const silentServer = createSocket('udp4')

async function actor(hub: string, nickname: string): Promise<ScriptedPeer> {
  const peer = await scriptedPeer(hub, nickname)
  scripted.push(peer)
  return peer
}

/** A peer that answers every offer, and is nowhere. */
async function lostPeer(hub: string, nickname: string): Promise<void> {
  const peer = await actor(hub, nickname)
  void peer
    .heard(({ type }) => type === 'offer')
    .then(({ from, session }) => peer.describe('answer', from, session, lonelySdp.replace('actpass', 'active')))
}

const page = async ({ proxy }: ClusterPeer, nickname: string): Promise<readonly [number, string]> => {
  const { status, text } = await readText(`${proxy}proxy/${nickname}/`, { headers: { accept: 'text/html' } })
  return [status, text]
}

beforeAll(async () => {
  silentServer.bind(0, '127.0.0.1')
  await once(silentServer, 'listening')
  const cluster = await startCluster({ alice: {} })
  const stun = ['--stun', `stun:127.0.0.1:${silentServer.address().port}`]
  const other = await startCluster({ alice: {} }, { options: stun })
  ;[hubUrl, blockedHubUrl] = [cluster.hubUrl, other.hubUrl]
  ;[alice, blocked] = [cluster.peers.alice!, other.peers.alice!]
})

afterAll(() => {
  for (const peer of scripted) peer.close()
  silentServer.close()
})

describe('the likely reason', () => {
  it('stands on the page: nobody answers, there is no STUN server, UDP is blocked', async () => {
    await actor(hubUrl, 'silent')
    await Promise.all([lostPeer(hubUrl, 'lost'), lostPeer(blockedHubUrl, 'lost')])
    await blocked.until(({ udp }) => udp === 'blocked')
    const [silent, lost, behind] = await Promise.all([
      page(alice, 'silent'),
      page(alice, 'lost'),
      page(blocked, 'lost'),
    ])
    expect(silent).toEqual([504, expect.stringContaining('silent did not answer: that computer may be asleep')])
    expect(lost).toEqual([504, expect.stringContaining('the hub names no STUN server')])
    expect(lost[1]).toContain('Ask the operator of your hub for STUN and TURN servers')
    expect(behind).toEqual([504, expect.stringContaining('this network blocks UDP')])
    for (const [, text] of [silent, lost, behind]) expect(text).not.toContain('lighthouse-peer status')
  })

  it('is said by get, with what to do', async () => {
    await actor(hubUrl, 'mute')
    const argv = ['get', 'mute/film.mp4', '--home', alice.home, '-o', join(alice.home, 'film.mp4')]
    const { code, err } = await startCli(argv, alice.home).ended
    expect(code).toBe(5)
    expect(err).toContain('mute did not answer: that computer may be asleep')
    expect(err).toMatch(/Ask the owner of mute to wake the computer or to restart Lighthouse, then try again\.\n$/)
  })
})
