import type { SliceObject } from './slice-object.ts'

export interface Change {
  readonly revision: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** As it is from this revision on; of a deletion, as it was, with the revision of its end. */
  readonly object: SliceObject
}

/** Slices and their past, as etcd keeps them: every revision can be read until it is compacted away. */
export class Etcd {
  #revision: number
  /** Before the first change that is kept. */
  #compacted: number
  #base = new Map<string, SliceObject>()
  #changes: Change[] = []
  #now = new Map<string, SliceObject>()

  constructor(revision: number) {
    this.#revision = revision
    this.#compacted = revision
  }

  get revision(): number {
    return this.#revision
  }

  get(name: string): SliceObject | undefined {
    return this.#now.get(name)
  }

  put(object: SliceObject): Change {
    const { name } = object.metadata
    return this.#write(this.#now.has(name) ? 'MODIFIED' : 'ADDED', object)
  }

  delete(name: string): Change {
    const object = this.#now.get(name)
    if (object === undefined) throw new Error(`there is no slice ${name}`)
    return this.#write('DELETED', object)
  }

  /** Something else is written. */
  elsewhere(revisions: number): void {
    this.#revision += revisions
  }

  /** What there was at a revision, sorted by name; null: compacted. */
  at(revision: number): readonly SliceObject[] | null {
    if (revision < this.#compacted) return null
    const state = new Map(this.#base)
    for (const change of this.#changes) if (change.revision <= revision) apply(state, change)
    return [...state.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  }

  /** Forgets the past: only the newest revision can be read. kube-apiserver does it every five minutes. */
  compact(): void {
    this.#compacted = this.#revision
    this.#base = new Map(this.#now)
    this.#changes = []
  }

  /** Is restored from a snapshot that had the same slices at another revision, earlier or later. */
  restore(revision: number): void {
    this.#revision = revision
    this.compact()
  }

  #write(type: Change['type'], object: SliceObject): Change {
    this.#revision++
    const resourceVersion = String(this.#revision)
    const stamped = { ...object, metadata: { ...object.metadata, resourceVersion } }
    const change = { type, object: stamped, revision: this.#revision }
    this.#changes.push(change)
    apply(this.#now, change)
    return change
  }
}

function apply(state: Map<string, SliceObject>, { type, object }: Change): void {
  if (type === 'DELETED') state.delete(object.metadata.name)
  else state.set(object.metadata.name, object)
}
