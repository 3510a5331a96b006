/** A file that names the owner of the database beside it, by the fingerprint of a public key. Errors are `store-failed`. */
export interface KeyMarker {
  readonly path: string
  /** Undefined where there is none. */
  read(): string | undefined
  /** Says that it is the database of this key. */
  write(pubKey: string): void
  /** Whether what was read stands for this key, also in the form of earlier versions. */
  stands(known: string, pubKey: string): boolean
  /** What stands for a key in the file. */
  fingerprint(pubKey: string): string
}
