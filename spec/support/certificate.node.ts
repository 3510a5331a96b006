import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from './programs.node.js'

/** Files in PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate for this machine that nobody vouches for. Needs openssl. */
export function selfSigned(folder: string): { readonly key: Buffer; readonly cert: Buffer } {
  const { key, cert } = makeCertificate(folder, 'localhost')
  return { key: readFileSync(key), cert: readFileSync(cert) }
}

/** Makes a certificate for a host's name with openssl, signed by itself: whoever is to trust it is given its file. */
export function makeCertificate(folder: string, name: string): Certificate {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  execFileSync(findProgram(['openssl'])!, ['req', '-x509', ...kind, ...names, '-out', cert, '-keyout', key], {
    stdio: 'pipe',
  })
  return { cert, key }
}
