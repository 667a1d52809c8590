import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './find-program.ts'
import { Program } from './program.ts'

/** Whether there is one on this machine. */
export const chromium = findProgram('chromium')

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** What Chromium says in its console: errors of scripts, and what a policy has refused. */
export type Said = string

/** Debian's Chromium without a window, spoken to in the DevTools protocol; one tab. */
export class Chromium {
  /** Warnings and errors that the tab has told of so far. */
  readonly said: Said[] = []
  readonly #program: Program
  readonly #folder: string
  readonly #socket: WebSocket
  #session = ''
  #ids = 0
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #awaited = new Map<string, PromiseWithResolvers<void>>()

  private constructor(program: Program, folder: string, socket: WebSocket) {
    this.#program = program
    this.#folder = folder
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#heard(JSON.parse(String(data))))
  }

  /** `rules`: as of --host-resolver-rules; no name server is asked. */
  static async start(rules = 'MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'): Promise<Chromium> {
    const folder = mkdtempSync(join(tmpdir(), 'spliceway-chromium-'))
    const program = await Program.start([
      chromium ?? 'chromium',
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--no-first-run',
      '--no-proxy-server',
      '--remote-debugging-port=0',
      `--host-resolver-rules=${rules}`,
      `--user-data-dir=${folder}`,
      'about:blank',
    ])
    const line = await program.line(/^DevTools listening on ws:/)
    const socket = new WebSocket(line.replace(/^DevTools listening on /, ''))
    const opened = Promise.withResolvers<void>()
    socket.addEventListener('open', () => opened.resolve())
    socket.addEventListener('error', () => opened.reject(new Error('no DevTools')))
    await opened.promise
    const started = new Chromium(program, folder, socket)
    await started.#attach()
    return started
  }

  /** Resolves when the page is loaded. */
  async open(url: string): Promise<void> {
    const loaded = Promise.withResolvers<void>()
    this.#awaited.set('Page.loadEventFired', loaded)
    await this.send('Page.navigate', { url })
    await loaded.promise
  }

  /** The value of an expression, which may be a promise, in the page; what JSON can carry. */
  async read<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = await this.send<{
      result: { value: Value }
      exceptionDetails?: { exception?: { description?: string } }
    }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    if (exceptionDetails !== undefined)
      throw new Error(`${exceptionDetails.exception?.description}\nof ${expression}`)
    return result.value
  }

  /** Resolves when the expression is true, looked at whenever the page has changed. */
  until(expression: string, waitMs = 30_000): Promise<void> {
    return this.read(`new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('not within ${waitMs} ms')), ${waitMs})
      const look = () => {
        if (!(${expression})) return
        clearTimeout(late)
        observer.disconnect()
        resolve()
      }
      const observer = new MutationObserver(look)
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
      look()
    })`)
  }

  /** As a key of the keyboard: `Tab`, `ArrowLeft`, or a character. */
  async press(key: string): Promise<void> {
    const printed = key.length === 1 ? { text: key } : {}
    // Of what prints a character the text is enough: the code of `.` would be that of the delete key.
    const windowsVirtualKeyCode = { Tab: 9, Escape: 27, End: 35, Home: 36, ArrowLeft: 37, ArrowRight: 39 }[
      key
    ]
    const pressed = { key, ...printed, ...(windowsVirtualKeyCode !== undefined && { windowsVirtualKeyCode }) }
    await this.send('Input.dispatchKeyEvent', {
      type: printed.text === undefined ? 'rawKeyDown' : 'keyDown',
      ...pressed,
    })
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...pressed })
  }

  async look(width: number, scheme: 'light' | 'dark'): Promise<void> {
    const mobile = width < 600
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height: 900,
      deviceScaleFactor: 1,
      mobile,
    })
    await this.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    })
  }

  /** PNG of the whole page, whatever its height. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send<{ data: string }>('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })
    return Buffer.from(data, 'base64')
  }

  async close(): Promise<void> {
    this.#socket.close()
    await this.#program.kill()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 })
  }

  /** A command of the DevTools protocol to the tab. */
  async send<Result>(method: string, params: object = {}): Promise<Result> {
    const id = ++this.#ids
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(id, answer)
    const session = this.#session === '' ? {} : { sessionId: this.#session }
    this.#socket.send(JSON.stringify({ id, method, params, ...session }))
    return (await answer.promise) as Result
  }

  async #attach(): Promise<void> {
    const { targetInfos } = await this.send<{ targetInfos: { targetId: string; type: string }[] }>(
      'Target.getTargets',
    )
    const tab = targetInfos.find(({ type }) => type === 'page')
    const { sessionId } = await this.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId: tab?.targetId,
      flatten: true,
    })
    this.#session = sessionId
    for (const domain of ['Page', 'Runtime', 'Log']) await this.send(`${domain}.enable`)
  }

  #heard({ id, method = '', params, result, error }: Message): void {
    if (id !== undefined) {
      const answer = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) answer?.resolve(result)
      else answer?.reject(new Error(error.message))
      return
    }
    this.#awaited.get(method)?.resolve()
    this.#awaited.delete(method)
    const complains = /^(Log\.entryAdded|Runtime\.exceptionThrown|Runtime\.consoleAPICalled)$/
    if (complains.test(method)) this.said.push(JSON.stringify(params))
  }
}
