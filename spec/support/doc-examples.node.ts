/** The examples in the doc comments of the sources, each of which is a whole program. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DocExample {
  /** The function, class or object whose comment it stands in. */
  readonly name: string
  readonly code: string
  /** What it says that it prints: its lines `// → …`. */
  readonly prints: readonly string[]
}

const documented = /\/\*\*((?:(?!\*\/)[^])*)\*\/\nexport (?:function\*?|class|const) ([\w$]+)/g

/** Every example below `folder`. */
export function docExamples(folder: string): readonly DocExample[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
  return files
    .flatMap(name => [...readFileSync(join(folder, name), 'utf8').matchAll(documented)])
    .flatMap(([, comment, name]) => {
      const [, example] = comment!.split(/^ \* @example\n/m)
      if (example === undefined) return []
      const code = example.replaceAll(/^ \* ?/gm, '')
      return [{ name: name!, code, prints: [...code.matchAll(/^\/\/ → (.*)$/gm)].map(match => match[1]!) }]
    })
}
