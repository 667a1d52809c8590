import { readFile } from 'node:fs/promises'
import { CodedError } from '../../core/coded-error.ts'
import { fileErrorText } from '../../core/wording.ts'

/** Where an API server is, and how we prove who we are: what a kubeconfig or a pod's files say. */
export interface Cluster {
  /** Where this was found, for people: a file's name, or `this pod`. */
  readonly from: string
  /** http(s), without a slash at the end; may have a path, as behind Rancher. */
  readonly server: string
  /** The name in the server's certificate; null: the host of `server`. */
  readonly serverName: string | null
  /** PEM; null: the authorities that Node trusts. */
  readonly ca: Material | null
  /** The server's certificate is not verified. */
  readonly insecure: boolean
  readonly token: Material | null
  readonly certificate: { readonly cert: Material; readonly key: Material } | null
}

/** A file is read each time it is needed: tokens live an hour, and authorities and certificates rotate. */
export type Material =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly file: string }

/**
 * It cannot be read where the server is or what identity to use; the message never contains what was read.
 */
export class CredentialsError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('ERR_CREDENTIALS', 'internal', message, cause)
  }
}

/** What is wrong with a file that cannot be read. */
export function unreadable(file: string, error: unknown): string {
  return `${file} cannot be read: ${fileErrorText(error)}`
}

/**
 * Throws CredentialsError when the file cannot be read or is empty: a file that is being replaced is tried
 * again later.
 */
export async function readMaterial(material: Material): Promise<string> {
  if (material.kind === 'text') return material.text
  const text = await readFile(material.file, 'utf8').catch((error: unknown) => {
    throw new CredentialsError(unreadable(material.file, error), error)
  })
  if (text.trim() === '') throw new CredentialsError(`${material.file} is empty`)
  return text
}
