/** Says who listens on a port: `held by nginx (pid 12), uid 0`; undefined when nobody does. */
export type HolderOf = (port: number) => Promise<string | undefined>
