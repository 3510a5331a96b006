import { formatBytes } from '../../protocol/byte-size.js'
import { formatCoins } from '../../protocol/coins/amount.js'
import { html, type Html } from '../../protocol/http/html.js'
import { isoDate } from '../../protocol/http/date.js'
import type { LeftOutReason } from '../../protocol/http/share-path.js'
import type { LeftOut, ListedEntry, ListedPage } from './folder-listing.node.js'
import { renderPage } from '../http/page.node.js'

/** A link from the folder to one of its entries. With `./`, since a name may look like a scheme (`a:b`). */
function hrefOf({ name, kind }: Pick<ListedEntry, 'name' | 'kind'>): string {
  return `./${encodeURIComponent(name)}${kind === 'directory' ? '/' : ''}`
}

function nextHref(next: string): string {
  return `./?after=${encodeURIComponent(next)}`
}

function row(entry: ListedEntry): Html {
  const time = isoDate(entry.modifiedMs)
  const isFile = entry.kind === 'file'
  return html`<tr>
    <td>
      <a href="${hrefOf(entry)}"><bdi>${entry.name}</bdi>${isFile ? '' : '/'}</a>
    </td>
    <td class="number">${isFile ? formatBytes(entry.size) : ''}</td>
    <td class="number">${isFile ? formatCoins(entry.size) : ''}</td>
    <td class="number wide">${time && html`<time datetime="${time}">${time.slice(0, 10)}</time>`}</td>
  </tr>`
}

const reasons: Readonly<Record<LeftOutReason, string>> = {
  hidden: 'with a name that begins with a dot',
  private: 'kept private by Lighthouse',
  unreadable: 'that cannot be read',
  encoding: 'with a name that is not UTF-8',
  reserved: 'with a name that is reserved on this system',
  link: 'linked to something that is not shared',
  special: 'neither a file nor a folder',
}

function renderLeftOut(leftOut: LeftOut): Html | undefined {
  const counts = Object.entries(leftOut).map(([reason, count]) => `${count} ${reasons[reason as LeftOutReason]}`)
  return counts.length === 0 ? undefined : html`<p class="soft">Not shown: ${counts.join(', ')}.</p>`
}

/**
 * A folder for people. All links are relative, so the page works below any prefix. `names` is the way from the root.
 */
export function renderListing(names: readonly string[], { entries, leftOut, next }: ListedPage): string {
  const title = names.at(-1) ?? 'Shared folder'
  const way = names.map((name, index) => {
    const up = '../'.repeat(names.length - 1 - index) || './'
    return html` / <a href="${up}"><bdi>${name}</bdi></a>`
  })
  const body = html`<main>
    <h1><a href="${'../'.repeat(names.length) || './'}">Shared folder</a>${way}</h1>
    <table>
      <thead>
        <tr>
          <th>Name</th>
          <th class="number">Size</th>
          <th class="number">Coins</th>
          <th class="number wide">Changed</th>
        </tr>
      </thead>
      <tbody>
        ${entries.map(row)}
      </tbody>
    </table>
    ${entries.length === 0 ? html`<p class="soft">Nothing here.</p>` : undefined} ${renderLeftOut(leftOut)}
    ${next === undefined ? undefined : html`<p><a href="${nextHref(next)}">More</a></p>`}
  </main>`
  return renderPage(title, body)
}

/** The same for programs. `next`, where there is more, is relative to the folder. */
export function listingJson(names: readonly string[], { entries, leftOut, next }: ListedPage): string {
  const value = {
    path: `/${names.map(name => `${name}/`).join('')}`,
    // What is undefined is left out.
    entries: entries.map(({ name, kind, size, modifiedMs }) => ({
      name,
      type: kind,
      ...(kind === 'file' ? { size, coins: formatCoins(size) } : {}),
      modified: isoDate(modifiedMs),
    })),
    ...(Object.keys(leftOut).length === 0 ? {} : { leftOut }),
    ...(next === undefined ? {} : { next: nextHref(next) }),
  }
  return `${JSON.stringify(value)}\n`
}
