import type { ExecutionContext } from 'ava'
import { type ClientHello, readClientHello } from '../../src/protocol/client-hello.ts'
import { FirstBytes } from './first-bytes.ts'

export interface RecordedHello {
  readonly hello: ClientHello
  readonly bytes: Buffer
}

/**
 * What a real client sends to a port, read as its hello; every prefix of it must be incomplete and ask for no more than
 * there was. `connect`: lets the client connect.
 */
export async function recordHello(
  t: ExecutionContext,
  connect: (port: number) => void,
): Promise<RecordedHello> {
  const server = await FirstBytes.listen((bytes) => readClientHello(bytes).kind !== 'incomplete')
  t.teardown(() => server.close())
  connect(server.port)
  const bytes = await server.next()
  let last = 0
  for (let length = 0; length <= bytes.length; length++) {
    const read = readClientHello(bytes.subarray(0, length))
    if (read.kind !== 'incomplete') break
    if (read.needs <= length || read.needs > bytes.length) t.fail(`${length} bytes: ${read.needs} are needed`)
    last = length
  }
  t.log(`${bytes.length} bytes, decided at ${last + 1}`)
  return { hello: readClientHello(bytes), bytes }
}
