import { type Case, fail, pass, type Verdict } from '../case.ts'
import type { Ground, Pair, Side } from '../ground.ts'

/** Nagle's algorithm against a delayed ACK costs 40 ms on Linux; what a proxy does costs well under one. */
const stallMs = 20
const roundTrips = 200
const exchanges = 8
const connections = 10

const sides: readonly Side[] = ['server', 'client']
const wayOf = { server: 'down', client: 'up' } as const

export const promptness: readonly Case[] = [
  {
    id: 'server-first',
    title: 'the words of a server that speaks first reach a client that has sent nothing',
    why: 'SMTP, SSH, FTP, MySQL. Whoever waits for the client, or lets the handshake’s ACK wait, holds them up.',
    async run(ground) {
      const banner = '220 hello\r\n'
      const took = async ({ client, server }: Pair): Promise<number> => {
        const begunMs = performance.now()
        await server.send(banner)
        await client.take(banner.length)
        return performance.now() - begunMs
      }
      return compare(ground, connections, took)
    },
  },
  {
    id: 'ping-pong',
    title: '200 exchanges of 8 bytes keep their order and cost no 40 ms each',
    why: 'Request and answer on a connection that stays is what most connections are.',
    async run(ground) {
      const took = async ({ client, server }: Pair): Promise<number> => {
        const times: number[] = []
        for (let i = 0; i < roundTrips; i++) {
          const ping = Buffer.alloc(8)
          ping.writeDoubleLE(i)
          const begunMs = performance.now()
          await client.send(ping)
          await server.send(await server.take(8))
          if (!(await client.take(8)).equals(ping)) return Number.POSITIVE_INFINITY
          times.push(performance.now() - begunMs)
        }
        return median(times)
      }
      return compare(ground, 1, took)
    },
  },
  ...sides.map(
    (from): Case => ({
      id: `two-writes-${wayOf[from]}`,
      title: `the second of two small writes of the ${from} does not wait until the first is acknowledged`,
      why: 'Who forwards with Nagle’s algorithm on adds 40 ms whenever the reader delays its ACK, though both ends have switched it off.',
      from: 'nginx stream_tcp_nodelay.t',
      async run(ground) {
        const took = async (pair: Pair): Promise<number> => {
          const [writer, reader] = from === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
          const times: number[] = []
          for (let i = 0; i < exchanges; i++) {
            await reader.send('go')
            await writer.take(2)
            reader.delayAcks()
            await writer.send('head')
            await reader.take(4)
            const begunMs = performance.now()
            await writer.send('body')
            await reader.take(4)
            times.push(performance.now() - begunMs)
          }
          return median(times)
        }
        return compare(ground, 1, took)
      },
    }),
  ),
  ...sides.map(
    (from): Case => ({
      id: `nagle-${wayOf[from]}`,
      title: `two small writes of a ${from} that has Nagle’s algorithm on cost no more than without a proxy`,
      why: 'Plenty of programs write head and body apart. The second write leaves when the first is acknowledged: by the proxy’s kernel, which may take 40 ms for it.',
      async run(ground) {
        const took = async (pair: Pair): Promise<number> => {
          const [writer, reader] = from === 'server' ? [pair.server, pair.client] : [pair.client, pair.server]
          if (from === 'server') {
            await reader.send('go')
            await writer.take(2)
          }
          writer.nagle = true
          const begunMs = performance.now()
          await writer.send('head')
          await writer.send('body')
          await reader.take(8)
          return performance.now() - begunMs
        }
        return compare(ground, connections, took)
      },
    }),
  ),
]

/** The same on connections through the peer and on direct ones, in turn. */
async function compare(
  ground: Ground,
  times: number,
  took: (pair: Pair) => Promise<number>,
): Promise<Verdict> {
  const through: number[] = []
  const direct: number[] = []
  for (let i = 0; i < times; i++) {
    through.push(await took(await ground.pair()))
    direct.push(await took(await ground.direct()))
  }
  const [ms, directMs] = [median(through), median(direct)]
  if (ms < directMs + stallMs) return pass('no stall')
  if (!Number.isFinite(ms)) return fail('out of order')
  return fail(`waits for about ${Math.round((ms - directMs) / 10) * 10} ms more than without a proxy`)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
