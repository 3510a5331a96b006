import { formatBytes } from '../protocol/byte-size.js'

/**
 * The dashboard's script, for the browser: shows what `/events` says and turns addresses into `/proxy/…`. Text from
 * elsewhere gets into the page as text only.
 */
export const dashboardScript = String.raw`'use strict'
const element = id => document.getElementById(id)
const history = { down: [], up: [] }
const keptSeconds = 60

${formatBytes.toString()}

function coins(bytes) {
  const size = Math.abs(bytes)
  return (bytes < 0 ? '-' : '') + Math.floor(size / 1e6) + '.' + String(size % 1e6).padStart(6, '0')
}

function duration(ms) {
  const minutes = Math.floor(ms / 60000)
  if (minutes < 60) return minutes + ' min'
  return Math.floor(minutes / 60) + ' h ' + (minutes % 60) + ' min'
}

function show(id, text) {
  const place = element(id)
  if (place.textContent !== text) place.textContent = text
}

function showHub(hub) {
  const states = {
    connecting: () => ['warn', 'connecting to the hub…'],
    authenticated: () => ['good', 'signed in'],
    waiting: () => ['warn', 'hub not reached, trying again'],
    stopped: () => ['bad', 'signed out'],
  }
  const [kind, text] = states[hub.type]()
  element('hub').className = 'pill ' + kind
  element('hub').title = hub.message || ''
  show('hub', text)
}

function part(name, className, text) {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

function entry(link) {
  const item = document.createElement('li')
  const name = link.nickname || link.pubKey
  if (link.role === 'consumer' && link.nickname) {
    const anchor = part('a', 'name', name)
    anchor.href = '/proxy/' + encodeURIComponent(name) + '/'
    item.append(anchor)
  } else item.append(part('span', 'name', name))
  item.append(part('span', 'rate down', '↓ ' + formatBytes(link.receiveRate) + '/s'))
  item.append(part('span', 'rate up', '↑ ' + formatBytes(link.sendRate) + '/s'))
  const paths = { host: 'direct, same network', srflx: 'direct', prflx: 'direct', relay: 'through a relay' }
  const facts = [
    link.tunnelPort && 'port ' + link.tunnelPort,
    paths[link.path],
    link.roundTripMs !== undefined && Math.round(link.roundTripMs) + ' ms',
    link.streams + (link.streams === 1 ? ' stream' : ' streams'),
    formatBytes(link.receivedBytes) + ' received',
    formatBytes(link.sentBytes) + ' sent',
  ]
  item.append(part('span', 'soft', facts.filter(Boolean).join(' · ')))
  return item
}

function showLinks(id, links) {
  const list = element(id)
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null
  list.replaceChildren(...links.map(entry))
  element('no-' + id).hidden = links.length > 0
  // Replacing the list must not take the keyboard's place away.
  if (focused !== null) Array.from(list.querySelectorAll('a')).find(a => a.getAttribute('href') === focused)?.focus()
}

function showRate(id, links, rate) {
  const total = links.reduce((sum, link) => sum + link[rate], 0)
  const kept = history[id]
  kept.push(total)
  if (kept.length > keptSeconds) kept.shift()
  const top = Math.max(1, ...kept)
  const first = keptSeconds - kept.length
  const points = kept.map((value, index) => first + index + ',' + (19 - (value / top) * 18).toFixed(1))
  element(id + '-line').setAttribute('points', points.join(' '))
  show(id, formatBytes(total) + '/s')
}

function showStats(stats) {
  showHub(stats.hub)
  show('coins', stats.coins === undefined ? '–' : coins(stats.coins))
  showRate('down', stats.connections, 'receiveRate')
  showRate('up', stats.connections, 'sendRate')
  showLinks('tunnels', stats.connections.filter(link => link.role === 'consumer'))
  showLinks('guests', stats.connections.filter(link => link.role === 'seeder'))
  show('process', 'up ' + duration(stats.uptimeMs) + ' · ' + formatBytes(stats.memory.rss) + ' of memory · ' + formatBytes(stats.bufferedBytes) + ' buffered')
}

/** "lighthouse://bob/films/a b.mp4" to "/proxy/bob/films/a%20b.mp4", or undefined when it is no such address. */
function pathOf(address) {
  const found = /^(?:lighthouse:\/\/)?([a-z]+)(\/.*)?$/i.exec(address.trim())
  if (found === null) return undefined
  const mount = '/proxy/' + found[1].toLowerCase() + '/'
  const rest = (found[2] || '/').slice(1).replace(/%(?![0-9a-f]{2})/gi, '%25')
  const url = new URL(mount + rest, location.origin)
  return url.pathname.startsWith(mount) ? url.pathname + url.search + url.hash : undefined
}

element('go').addEventListener('submit', event => {
  event.preventDefault()
  const path = pathOf(element('address').value)
  show('wrong', path === undefined ? 'Write lighthouse://nickname/path. A nickname has the letters a to z only.' : '')
  if (path !== undefined) location.assign(path)
})

function showGone() {
  element('hub').className = 'pill bad'
  show('hub', 'peer not running')
}

// One tab listens and tells the others: browsers allow six connections to one host, and each download needs one.
const channel = new BroadcastChannel('stats')
let heardAt = performance.now()
let waiting = false

function hear(stats) {
  heardAt = performance.now()
  if (stats === null) showGone()
  else showStats(stats)
}

/** Returns how to stop. */
function listen() {
  const tell = stats => {
    hear(stats)
    channel.postMessage(stats)
  }
  const events = new EventSource('/events')
  events.addEventListener('stats', event => tell(JSON.parse(event.data)))
  events.addEventListener('error', () => tell(null))
  return () => events.close()
}

/** Listens once no other tab does, or instead of it, until the page goes. */
function takeTurn(steal) {
  if (waiting && !steal) return
  waiting ||= !steal
  let stop
  const turn = () => {
    waiting &&= steal
    stop = listen()
    // One that is put aside for the back button must not keep the connection.
    return new Promise(resolve => addEventListener('pagehide', () => resolve(stop()), { once: true }))
  }
  navigator.locks.request('stats', { steal }, turn).catch(() => {
    stop()
    takeTurn(false)
  })
}

channel.addEventListener('message', event => hear(event.data))
if (navigator.locks === undefined) addEventListener('pagehide', listen())
else {
  takeTurn(false)
  setInterval(() => {
    // Figures come every second. The tab that listens has been frozen, or cannot.
    if (document.visibilityState === 'hidden' || performance.now() - heardAt < 5000) return
    heardAt = performance.now()
    takeTurn(true)
  }, 1000)
}
addEventListener('pageshow', event => { if (event.persisted) location.reload() })
`
