import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '../core/coded-error.ts'
import { fileErrorText } from '../core/wording.ts'

/** What two processes of one installation know, and nobody else. */
export type Secret =
  | { readonly kind: 'known'; readonly key: Buffer }
  /** `reason` names the file or folder, what is wrong with it and what to do. */
  | { readonly kind: 'none'; readonly reason: string }

/** The key of the configuration, of which messages speak. */
const key = 'handover.secret'
/** 256 bits, as hexadecimal text. */
const madeBytes = 32
/** Base64 of 24 bytes; a word that somebody thought of is shorter. */
const leastCharacters = 32
/** More is another kind of file. */
const mostBytes = 4_096

/**
 * Reads the secret in `path`, which is made if there is none, with its folder.
 * File and folder must belong to `uid`, and nobody else may open them. Never throws.
 */
export function readSecret(path: string, uid: number): Secret {
  const folder = dirname(path)
  try {
    makeFolder(folder)
    const wrong = faultOf(folder, statSync(folder), 'a folder', uid)
    if (wrong !== null) return none(wrong)
    return read(path, uid) ?? make(path, uid)
  } catch (error) {
    return none(`${path}: ${fileErrorText(error)}`)
  }
}

/** Its parent must exist: with `recursive` Node 26 never returns below /proc. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

/** null: there is no file. */
function read(path: string, uid: number): Secret | null {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT') return null
    return none(code === 'ELOOP' ? `${path} is a symbolic link` : `${path}: ${fileErrorText(error)}`)
  }
  try {
    const wrong = faultOf(path, fstatSync(fd), 'a file', uid)
    if (wrong !== null) return none(wrong)
    const bytes = Buffer.alloc(mostBytes + 1)
    const text = bytes.toString('latin1', 0, readSync(fd, bytes)).trim()
    if (text.length >= leastCharacters && text.length <= mostBytes)
      return { kind: 'known', key: Buffer.from(text, 'latin1') }
    const length = text.length > mostBytes ? `more than ${mostBytes}` : String(text.length)
    return none(
      `${path} holds ${length} characters instead of ${leastCharacters} to ${mostBytes}: remove it, and it is made anew`,
    )
  } finally {
    closeSync(fd)
  }
}

/**
 * Under its name the file is whole from the first moment: two processes may be here at once, and both read
 * the one that came first.
 */
function make(path: string, uid: number): Secret {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, `${randomBytes(madeBytes).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(draft, path)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  } finally {
    unlinkSync(draft)
  }
  return read(path, uid) ?? none(`${path} is gone again`)
}

function faultOf(path: string, found: Stats, kind: 'a file' | 'a folder', uid: number): string | null {
  if (kind === 'a file' ? !found.isFile() : !found.isDirectory()) return `${path} is not ${kind}`
  if (found.uid !== uid) return `${path} belongs to uid ${found.uid} instead of uid ${uid}`
  if ((found.mode & 0o077) === 0) return null
  const [mode, right] = [(found.mode & 0o777).toString(8), kind === 'a file' ? '600' : '700']
  return `${path} may be opened by others (mode ${mode}): chmod ${right} ${path}`
}

function none(reason: string): Secret {
  return { kind: 'none', reason: `${key}: ${reason}` }
}
