import { html, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { formatBytes } from '../../protocol/byte-size.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import type { ConnectionStats, HubState } from '../../protocol/peer/stats.js'
import { type DashboardState, keptSeconds, type Rates } from './step.js'

type Pill = readonly [kind: 'good' | 'warn' | 'bad' | '', text: string]

const hubPills: Readonly<Record<HubState['type'], Pill>> = {
  connecting: ['warn', 'connecting to the hub…'],
  authenticated: ['good', 'signed in'],
  waiting: ['warn', 'hub not reached, trying again'],
  stopped: ['bad', 'signed out'],
}

const paths: Readonly<Partial<Record<ConnectionStats['path'], string>>> = {
  host: 'direct, same network',
  srflx: 'direct',
  prflx: 'direct',
  relay: 'through a relay',
}

/** How the peer stands with its hub. */
export function statusView({ stats, isRunning }: DashboardState): TemplateResult {
  const hub = stats?.hub
  const unknown: Pill = ['', 'connecting…']
  const [kind, text] = isRunning
    ? hub === undefined
      ? unknown
      : hubPills[hub.type]
    : (['bad', 'peer not running'] as const)
  const message = hub !== undefined && 'message' in hub ? hub.message : ''
  return html`<p id="hub" class="pill ${kind}" role="status" title=${message}>${text}</p>`
}

function duration(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A line of the last minute, for a box of 60 by 20: the highest rate at its top. */
function sparkline(values: readonly number[]): string {
  const top = Math.max(1, ...values)
  const first = keptSeconds - values.length
  return values.map((value, index) => `${first + index},${(19 - (value / top) * 18).toFixed(1)}`).join(' ')
}

function rateTile(direction: keyof Rates, title: string, arrow: string, rates: readonly Rates[]): TemplateResult {
  const values = rates.map(rate => rate[direction])
  const newest = values.at(-1)
  return html`<div class="tile">
    <h2><span class=${direction} aria-hidden="true">${arrow}</span> ${title}</h2>
    <p class="figure" id=${direction}>${newest === undefined ? '–' : `${formatBytes(newest)}/s`}</p>
    <svg class="spark ${direction}" viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
      <polyline points=${sparkline(values)} />
    </svg>
  </div>`
}

function connectionView(connection: ConnectionStats): TemplateResult {
  const { nickname, fingerprint, role, tunnelPort, path, roundTripMs, streams } = connection
  const name =
    role === 'consumer' && nickname !== undefined
      ? html`<a class="name" href="/proxy/${nickname}/">${nickname}</a>`
      : html`<span class="name">${nickname ?? fingerprint}</span>`
  const facts = [
    tunnelPort !== undefined && `port ${tunnelPort}`,
    paths[path],
    roundTripMs !== undefined && `${Math.round(roundTripMs)} ms`,
    `${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    `${formatBytes(connection.receivedBytes)} received`,
    `${formatBytes(connection.sentBytes)} sent`,
  ]
  const down = html`<span class="rate down">↓ ${formatBytes(connection.receiveRate)}/s</span>`
  const up = html`<span class="rate up">↑ ${formatBytes(connection.sendRate)}/s</span>`
  // Without spaces between, which would be part of what is copied and read out.
  return html`<li>${name}${down}${up}<span class="soft">${facts.filter(Boolean).join(' · ')}</span></li>`
}

function connectionsView(
  id: string,
  title: string,
  none: string,
  connections: readonly ConnectionStats[],
): TemplateResult {
  // Kept in place by session, so that the keyboard's place and what is selected stay.
  const items = repeat(connections, ({ session }) => session, connectionView)
  return html`<section aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    <ul id=${id} class="links">
      ${items}
    </ul>
    <p id="no-${id}" class="soft" ?hidden=${connections.length > 0}>${none}</p>
  </section>`
}

/** What the peer has, does, and is connected to. */
export function liveView({ stats, rates }: DashboardState): TemplateResult {
  const connections = stats?.connections ?? []
  const tunnels = connections.filter(({ role }) => role === 'consumer')
  const guests = connections.filter(({ role }) => role === 'seeder')
  const noTunnels = 'None yet. Open somebody’s share above, and it appears here.'
  return html`<section class="tiles" aria-label="At a glance">
      <div class="tile">
        <h2>Coins</h2>
        <p class="figure" id="coins">${stats?.coins === undefined ? '–' : formatCoins(stats.coins)}</p>
        <p class="soft">one coin is one megabyte</p>
      </div>
      ${rateTile('down', 'Receiving', '↓', rates)} ${rateTile('up', 'Serving', '↑', rates)}
    </section>
    ${connectionsView('tunnels', 'Tunnels', noTunnels, tunnels)}
    ${connectionsView('guests', 'Guests', 'Nobody is connected to you.', guests)}`
}

/** What the process uses, in a line; empty before it is known. */
export function processLine({ stats }: DashboardState): string {
  if (stats === undefined) return ''
  const { uptimeMs, memory, bufferedBytes } = stats
  return `up ${duration(uptimeMs)} · ${formatBytes(memory.rss)} of memory · ${formatBytes(bufferedBytes)} buffered`
}
