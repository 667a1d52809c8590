import { type CommandOptions, change } from './client.ts'
import { exitCode } from './exit-code.ts'

export interface EndpointOptions extends CommandOptions {
  /** `POOL ENDPOINT drain|ready`, as typed. */
  readonly args: readonly string[]
}

/**
 * `spliceway endpoint POOL ENDPOINT drain|ready`: takes an endpoint out of use for new connections, and back.
 */
export async function endpoint(options: EndpointOptions): Promise<number> {
  const [pool, address, action, ...rest] = options.args
  if (pool === undefined || address === undefined || rest.length > 0 || !isAction(action)) {
    options.err.write(
      'usage: spliceway endpoint POOL ENDPOINT drain|ready [--socket PATH]\n' +
        '  for example: spliceway endpoint web 10.0.0.5:9443 drain; "spliceway status" lists both names\n',
    )
    return exitCode.usage
  }
  return change(options, `/endpoints/${encodeURIComponent(pool)}/${encodeURIComponent(address)}/${action}`)
}

function isAction(text: string | undefined): text is 'drain' | 'ready' {
  return text === 'drain' || text === 'ready'
}
