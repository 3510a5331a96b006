/**
 * The rings: imports point inwards only. One entry a ring; the first whose `files` fit decides about a file.
 *
 * `may` lists what a file may import inside src/ (its own folder is always allowed), `packages` what from outside:
 * 'none', 'rxjs', 'one' (rxjs and one more library a file) or 'any'.
 * `node` says who may import Node's own modules: 'never', 'named' (only files called x.node.ts) or 'always'.
 */
const RINGS = [
  { name: 'protocol', files: /^protocol\//, may: [], packages: 'none', node: 'never' },
  { name: 'operators', files: /^operators\//, may: [/^protocol\//], packages: 'rxjs', node: 'never' },
  { name: 'ports', files: /^ports(\.ts|\/)/, may: [/^protocol\//], packages: 'rxjs', node: 'never' },
  {
    name: 'streams',
    files: /^streams\//,
    may: [/^protocol\//, /^operators\//, /^ports(\.ts|\/)/],
    packages: 'rxjs',
    node: 'never',
  },
  {
    name: 'adapters',
    files: /^adapters\//,
    may: [/^protocol\//, /^operators\//, /^ports(\.ts|\/)/],
    packages: 'one',
    node: 'named',
  },
  {
    name: 'app',
    files: /^(index|app|register|peer-options|peer-options-rules|mux|mux-tcp)\.ts$/,
    may: [/^protocol\//, /^operators\//, /^streams\//, /^adapters\//, /^ports(\.ts|\/)/],
    packages: 'rxjs',
    node: 'never',
  },
  { name: 'hub/protocol', files: /^hub\/protocol\//, may: [/^protocol\//], packages: 'none', node: 'never' },
  {
    name: 'hub/ports',
    files: /^hub\/ports\//,
    may: [/^protocol\//, /^hub\/protocol\//, /^ports(\.ts|\/)/],
    packages: 'rxjs',
    node: 'never',
  },
  {
    name: 'hub/streams',
    files: /^hub\/streams\//,
    may: [/^protocol\//, /^operators\//, /^streams\//, /^ports(\.ts|\/)/, /^hub\/protocol\//, /^hub\/ports\//],
    packages: 'rxjs',
    node: 'never',
  },
  {
    name: 'hub/adapters',
    files: /^hub\/adapters\//,
    may: [/^protocol\//, /^operators\//, /^adapters\//, /^ports(\.ts|\/)/, /^hub\/protocol\//, /^hub\/ports\//],
    packages: 'one',
    node: 'always',
  },
  {
    name: 'hub/app',
    files: /^hub\/(index|app|opening|options|serving)\.ts$/,
    may: [/^protocol\//, /^operators\//, /^streams\//, /^adapters\//, /^ports(\.ts|\/)/, /^hub\//],
    packages: 'rxjs',
    node: 'always',
  },
  { name: 'web', files: /^web\//, may: [/^protocol\//], packages: 'one', node: 'never' },
  { name: 'cli', files: /^cli\//, may: [/./], packages: 'any', node: 'always' },
]

/** A file outside hub/ and cli/ that needs Node says so in its name; Express needs Node. */
const NODE_NAME = /\.(node|express)\.ts$/

/** Libraries that are used together in one adapter and count as one: what others plug into, and what plugs into it. */
const FAMILIES = [
  ['express', 'helmet', 'send'],
  ['simple-peer', 'wrtc', 'node-datachannel'],
]

/** What only programs may touch: they decide when the process ends and what it reads and prints. */
const PROCESS_OWNERS = /^(cli\/|adapters\/webrtc\/wrtc-main\.node\.ts$)/
const PROCESS_PARTS = /(?<![.\w$])process\s*\.\s*(exit|exitCode|argv|env|stdin|stdout|stderr|on|once|kill|chdir)\b/
/** Who may mention `process` at all. */
const PROCESS_READERS = /(\.node\.ts$|^hub\/adapters\/|^cli\/)/
const PROCESS = /(?<![.\w$])process\s*\./
/** Node's globals that a browser does not have. */
const NODE_GLOBALS = /(?<![.\w$'])(Buffer|setImmediate|clearImmediate|__dirname|__filename)\b/

/** The package a module name belongs to: `@scope/name/part` → `@scope/name`. */
const packageOf = name => (name.startsWith('@') ? name.split('/', 2).join('/') : name.split('/', 1)[0])

/**
 * Complaints about one file. `file` is its path below src/, `imports` what it asks for with relative names already turned
 * into paths below src/ (`../x` where they lead out), `code` its text without comments and strings.
 */
export function complaintsAbout({ file, imports, code }) {
  const ring = RINGS.find(candidate => candidate.files.test(file))
  if (ring === undefined) return [`${file}: belongs to no ring (see scripts/lib/rings.mjs)`]
  return [...importComplaints(ring, file, imports), ...globalComplaints(ring, file, code)]
}

function importComplaints(ring, file, imports) {
  const complaints = []
  const libraries = new Set()
  for (const { type, target } of imports) {
    if (type === 'inside') {
      const allowed = ring.files.test(target) || ring.may.some(pattern => pattern.test(target))
      if (!allowed) complaints.push(`${file}: ${ring.name} must not import ${target}`)
    } else if (type === 'node') {
      const allowed = ring.node === 'always' || (ring.node === 'named' && NODE_NAME.test(file))
      if (!allowed)
        complaints.push(
          `${file}: must not import ${target}${ring.node === 'named' ? ' unless it is called x.node.ts' : ''}`,
        )
    } else if (packageOf(target) !== 'rxjs' || ring.packages === 'none') {
      if (ring.packages === 'none' || ring.packages === 'rxjs') {
        complaints.push(`${file}: ${ring.name} must not import the package ${target}`)
      }
      libraries.add(familyOf(packageOf(target)))
    }
  }
  if (ring.packages === 'one' && libraries.size > 1) {
    complaints.push(`${file}: an adapter has one outside library, not ${[...libraries].join(' and ')}`)
  }
  return complaints
}

const familyOf = name => FAMILIES.find(family => family.includes(name))?.[0] ?? name

function globalComplaints(ring, file, code) {
  const complaints = []
  const part = PROCESS_PARTS.exec(code)?.[1]
  if (part !== undefined && !PROCESS_OWNERS.test(file)) complaints.push(`${file}: only cli/ may use process.${part}`)
  else if (PROCESS.test(code) && !PROCESS_READERS.test(file))
    complaints.push(`${file}: mentions process; call it x.node.ts`)
  const isomorphic = ring.node === 'never' || (ring.node === 'named' && !NODE_NAME.test(file))
  const global = NODE_GLOBALS.exec(code)?.[1]
  if (isomorphic && global !== undefined)
    complaints.push(`${file}: uses Node's ${global}, which a browser does not have`)
  return complaints
}

/** Circles among files, each as the path that leads back to its start. `graph` maps a file to the files it imports. */
export function circlesIn(graph) {
  const circles = []
  const done = new Set()
  const visit = (file, trail) => {
    const start = trail.indexOf(file)
    if (start >= 0) {
      circles.push([...trail.slice(start), file])
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return circles
}

/** Names that more than one file exports as its own. `exported` maps a file to the names that it exports. */
export function sharedNames(exported) {
  const files = new Map()
  for (const [file, names] of exported) {
    for (const name of names) files.set(name, [...(files.get(name) ?? []), file])
  }
  return [...files]
    .filter(([, places]) => places.length > 1)
    .map(([name, places]) => `${name}: exported by ${places.join(' and ')}`)
}
