/** Where everything of a running demo is. */
export interface DemoAddresses {
  readonly hub: string
  /** Base URLs of the proxies, with a slash at the end. */
  readonly alice: string
  readonly bob: string
  /** A film in bob's folder, or another file of it when there is none. */
  readonly file: string | undefined
}

/** The addresses to open, derived from those above. */
export function demoLinks({ alice, file }: DemoAddresses): {
  readonly folder: string
  readonly film: string | undefined
} {
  const folder = `${alice}proxy/bob/`
  return { folder, film: file === undefined ? undefined : `${folder}${encodeURIComponent(file)}` }
}

/** Which of a folder's files the screen points at: a film before anything else. */
export function pickFile(names: readonly string[]): string | undefined {
  const visible = names.filter(name => !name.startsWith('.')).toSorted()
  return visible.find(name => /\.(mp4|webm|mkv|mov)$/i.test(name)) ?? visible[0]
}

/** What the person sees when the demo is ready. */
export function demoScreen(addresses: DemoAddresses, bold: (text: string) => string): string {
  const { folder, film } = demoLinks(addresses)
  const lines = [
    '',
    'A hub and two peers, alice and bob, are running on this machine. Open in a browser:',
    '',
    `  alice's dashboard   ${bold(addresses.alice)}`,
    `  bob's folder        ${bold(folder)}`,
    ...(film === undefined ? [] : [`  a film of bob's     ${bold(film)}`]),
    '',
    ...(film === undefined ? [] : ['Or in another terminal:', '', `  mpv ${film}`, `  curl -L -O ${film}`, '']),
    `The hub is at ${addresses.hub}, bob's own dashboard at ${addresses.bob}`,
    'Press Ctrl-C to stop everything and remove its files. Activity:',
    '',
  ]
  return lines.join('\n')
}
