import { CodedError } from '../../core/coded-error.ts'

/**
 * A value from outside is not what the API or the file format promises; the message says where, what was
 * expected and what was received.
 */
export class ShapeError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('ERR_SHAPE', 'upstream', message, cause)
  }
}

/**
 * A JSON or YAML value from outside, read member by member. Every reader throws a ShapeError at the first
 * surprise.
 */
export class Received {
  readonly #value: unknown
  readonly #path: string

  /** `name` begins every message: `EndpointSlice`, a file's name. */
  constructor(value: unknown, name: string) {
    this.#value = value
    this.#path = name
  }

  /** Not there, or null: Go writes a nil pointer either way. */
  get absent(): boolean {
    return this.#value === undefined || this.#value === null
  }

  /** A member of this object. What is absent has only absent members. */
  get(name: string): Received {
    const path = `${this.#path}.${name}`
    if (this.absent) return new Received(undefined, path)
    if (!isObject(this.#value)) throw this.#unlike('an object')
    return new Received(Object.hasOwn(this.#value, name) ? this.#value[name] : undefined, path)
  }

  /** The items of this list. Absent is empty: Go writes a nil slice as null. */
  list(): Received[] {
    if (this.absent) return []
    if (!Array.isArray(this.#value)) throw this.#unlike('a list')
    return this.#value.map((item: unknown, index) => new Received(item, `${this.#path}[${index}]`))
  }

  text(): string {
    if (typeof this.#value !== 'string') throw this.#unlike('text')
    return this.#value
  }

  textOr<T>(fallback: T): string | T {
    return this.absent ? fallback : this.text()
  }

  flagOr(fallback: boolean): boolean {
    if (this.absent) return fallback
    if (typeof this.#value !== 'boolean') throw this.#unlike('true or false')
    return this.#value
  }

  integerOr<T>(fallback: T): number | T {
    if (this.absent) return fallback
    if (!Number.isSafeInteger(this.#value)) throw this.#unlike('an integer')
    return Number(this.#value)
  }

  #unlike(expected: string): ShapeError {
    return new ShapeError(`${this.#path}: expected ${expected}, got ${described(this.#value)}`)
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Never the value itself: it may be a token or a key. */
function described(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text'
  return typeof value === 'object' ? 'an object' : String(value)
}
