/** The program's exit codes; scripts depend on them. */
export const exitCode = { ok: 0, failure: 1, usage: 2, portBusy: 75, config: 78 } as const
