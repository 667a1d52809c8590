import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { certificate } from '../helpers/certificate.ts'
import { NetworkNamespace } from '../helpers/netns.ts'
import { Nginx, type NginxOptions } from '../helpers/nginx.ts'
import { Spliceway } from './spliceway.ts'

/** Where clients find the edge, and where they come from. */
export const edgeAddress = { v4: '10.99.0.1', v6: 'fd99::1' } as const
export const clientAddress = { v4: '10.99.0.2', v6: 'fd99::2' } as const
/** Names with a certificate of their own. */
export const siteNames = ['one.example', 'two.example'] as const
/** Of `/slow/file`: about two seconds. */
const fileBytes = 3 * 1024 * 1024

/**
 * Two networks joined by a cable: in one the edge with ports 80 and 443, and gateway nodes on 127.0.0.2 and
 * so on; in the other the clients, this process among them.
 */
export class Stage {
  readonly edge: NetworkNamespace
  readonly gateways: readonly Nginx[]
  /** Removed with the stage. */
  readonly folder: string
  /** The certificates of all sites, for curl. */
  readonly caFile: string
  /** What `/file` and `/slow/file` serve. */
  readonly file = randomBytes(fileBytes)
  readonly #undo: (() => void)[] = []

  /** With `nodes` gateways, 0 to 3, that do not run yet. Nothing is left when it throws. */
  constructor(nginx: string, nodes: number, gateway: Pick<NginxOptions, 'headerTimeout'> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'spliceway-stage-'))
    this.#undo.push(() => rmSync(this.folder, { recursive: true, force: true }))
    this.caFile = join(this.folder, 'ca.pem')
    try {
      this.#writeSites()
      this.edge = this.#network()
    } catch (error) {
      this.remove()
      throw error
    }
    const common = { binary: nginx, namespace: this.edge, folder: this.folder, names: siteNames, ...gateway }
    this.gateways = ['a', 'b', 'c']
      .slice(0, nodes)
      .map((name, at) => new Nginx({ ...common, name, host: `127.0.0.${at + 2}` }))
  }

  /** Resolves when all gateways listen. */
  async start(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.start()))
  }

  /** Starts the program with this configuration and ends it with the test. Resolves when it serves. */
  spliceway(t: ExecutionContext, config: string): Promise<Spliceway> {
    return this.splicewayWith(t, this.configFile(config))
  }

  /** The same with a file that exists. */
  async splicewayWith(
    t: ExecutionContext,
    file: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Spliceway> {
    const spliceway = await Spliceway.start(this.edge, file, env)
    t.teardown(() => spliceway.program.kill())
    await spliceway.serving()
    return spliceway
  }

  /** How the programs of the test under way move bytes. */
  plane: 'auto' | 'net' | 'splice' = 'auto'

  /** Writes a configuration into a folder of its own. */
  configFile(config: string): string {
    const file = join(mkdtempSync(join(this.folder, 'config-')), 'spliceway.yaml')
    writeFileSync(file, `${config}\nplane: ${this.plane}\n`)
    return file
  }

  /** `[127.0.0.2:9080, ...]`: a port of all gateways, as a pool's `endpoints`. */
  endpoints(port: number): string {
    return `[${this.gateways.map(({ host }) => `${host}:${port}`).join(', ')}]`
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.kill()))
    this.remove()
  }

  /** What can be done without waiting. Doing it twice does nothing. */
  remove(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
  }

  #writeSites(): void {
    mkdirSync(join(this.folder, 'www'))
    writeFileSync(join(this.folder, 'www', 'file'), this.file)
    const certificates = siteNames.map((name) => {
      const { cert, key } = certificate([name])
      writeFileSync(join(this.folder, `${name}.pem`), cert)
      writeFileSync(join(this.folder, `${name}.key`), key)
      return cert
    })
    writeFileSync(this.caFile, certificates.join(''))
  }

  #network(): NetworkNamespace {
    const [edge, clients] = ['edge', 'clients'].map((purpose) => {
      const namespace = NetworkNamespace.create(purpose)
      this.#undo.push(() => namespace.remove())
      return namespace
    })
    if (edge === undefined || clients === undefined) throw new Error('two namespaces were made and are gone')
    edge.connect(
      clients,
      [`${edgeAddress.v4}/24`, `${edgeAddress.v6}/64`],
      [`${clientAddress.v4}/24`, `${clientAddress.v6}/64`],
    )
    this.#undo.push(clients.enter())
    return edge
  }
}
