/** What a client accepts (RFC 9110, section 12.5), judged by the library that Express uses. */
import Negotiator from 'negotiator'

/** The part of a request that names what its client accepts. */
export type Accepting = ConstructorParameters<typeof Negotiator>[0]

/** What the library takes as well, and its types do not know: which coding wins where the client wants several alike. */
interface CodingChooser {
  encoding(available: readonly string[], options: { readonly preferred: readonly string[] }): string | undefined
}

/** The offered media type that the client wants most; the first when nothing fits, since an answer in another type beats none. */
export function preferredType<T extends string>(request: Accepting, offered: readonly [T, ...T[]]): T {
  return (new Negotiator(request).mediaType(offered) as T | undefined) ?? offered[0]
}

/**
 * The offered content coding that the client wants most, the earlier one when two are wanted alike. `identity`, which is
 * no coding, when nothing fits.
 */
export function preferredCoding<T extends string>(request: Accepting, offered: readonly T[]): T | 'identity' {
  const negotiator: CodingChooser = new Negotiator(request)
  return (negotiator.encoding([...offered, 'identity'], { preferred: offered }) as T | undefined) ?? 'identity'
}
