/** What a TypeScript file imports, by reading its text. */

/** Comments go, and what is inside strings stays, since that is where module names are. */
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|`(?:\\[\s\S]|[^`\\])*`|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`, types included. */
const IMPORT = /\b(?:import|export)\s*(?:type\s+)?(?:[\w*{}\s,$]+?\s*from\s*)?\(?\s*(['"])([^'"\n]+)\1/g

/** The text without its comments. */
function withoutComments(text) {
  return text.replace(TOKEN, token => (token.startsWith('//') || token.startsWith('/*') ? ' ' : token))
}

/** The text without comments and without what its strings say. */
export function codeOnly(text) {
  return text.replace(TOKEN, token => (/^['"`]/.test(token) ? "''" : ' '))
}

/** Names of the modules that a file asks for, in its order, each once. */
export function importsOf(text) {
  return [...new Set([...withoutComments(text).matchAll(IMPORT)].map(match => match[2]))]
}

/** A name that a file declares and exports; what it exports from another file is not its own. */
const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) ([\w$]+)/gm

/** The names that a file declares and exports, each once. */
export function exportsOf(text) {
  return [...new Set([...codeOnly(text).matchAll(EXPORT)].map(match => match[1]))]
}
