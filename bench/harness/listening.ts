import { existsSync, readFileSync } from 'node:fs'
import { BoundSocket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from './children.ts'

/** About the time of a fork, on a machine that has more to do. */
const patienceMs = 20_000
/** TCP_LISTEN in /proc/net/tcp. */
const listen = '0A'

/** A port that is free at this moment: for programs that cannot choose one by themselves. */
export function freePort(host = '127.0.0.1'): number {
  const socket = new BoundSocket({ host, port: 0 })
  const { port } = socket.address()
  socket.close()
  return Number(port)
}

/** Servers listen where the kernel chooses no local ports, which a forwarder may know. */
const serverPorts = { least: 10_000, count: 20_000 } as const
const tries = 100

/** The same for a server. */
export function freeServerPort(host: string): number {
  for (let i = 0; i < tries; i++) {
    const port = serverPorts.least + Math.floor(Math.random() * serverPorts.count)
    try {
      new BoundSocket({ host, port }).close()
      return port
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
  throw new Error(`${host}: ${tries} ports were tried, and none is free`)
}

/** Resolves when somebody listens on `port` in the child's network namespace. No connection is made. */
export async function listening(child: Child, name: string, port: number): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!listens(child.pid, port)) {
    if (!child.running) throw new Error(`${name} ended before it listened; its standard error says why`)
    if (performance.now() > deadlineMs) throw new Error(`${name} does not listen on port ${port}`)
    await sleep(10)
  }
}

function listens(pid: number, port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const file = `/proc/${pid}/net/tcp`
  // A process that has just ended has none; listening() looks again and sees that.
  return (
    existsSync(file) && new RegExp(`:${hex} [0-9A-F]{8}:0000 ${listen} `).test(readFileSync(file, 'utf8'))
  )
}
