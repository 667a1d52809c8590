/** A connection as its listener has let it in. */
export interface Arrival {
  /** What has to be read of it before anything else; null: nothing, it goes to the listener's pool. */
  readonly first: 'header' | 'hello' | null
  /** Of the table of sources, which has counted it; null: it is not counted. */
  readonly entry: number | null
}
