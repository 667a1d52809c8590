import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startAdmin } from '../../src/admin/admin.ts'
import type { Status } from '../../src/core/status.ts'
import { cli } from '../end-to-end/spliceway.ts'
import { Chromium, chromium } from '../helpers/chromium.ts'
import { Backend, echo } from '../helpers/peer.ts'
import { Program } from '../helpers/program.ts'
import { exampleApp, exampleStatus, memoryLog } from '../telemetry/example-app.ts'

const runs = chromium === null ? test.serial.skip : test.serial
const title = (text: string) => `${text}${chromium === null ? ' (Chromium is not installed)' : ''}`

let browser: Chromium

test.before(async () => {
  if (chromium !== null) browser = await Chromium.start()
})
test.after.always(() => browser?.close())

/** The texts of what a selector finds, as a person sees them. */
function texts(selector: string): Promise<string[]> {
  return browser.read(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((each) => each.innerText.trim())`,
  )
}

function has(selector: string, text: string): string {
  return `[...document.querySelectorAll(${JSON.stringify(selector)})].some((each) => each.innerText.includes(${JSON.stringify(text)}))`
}

/** A running program with two gateways, and its page. */
async function start(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spliceway-page-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const gateways = [await Backend.start({ onPeer: echo }), await Backend.start({ onPeer: echo })]
  t.teardown(() => Promise.all(gateways.map((each) => each.close())))
  const file = join(folder, '<img src=x onerror=alert(1)>.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: edge, listen: "127.0.0.1:0", pool: web }]
pools:
  web:
    endpoints: [${gateways.map(({ port }) => `"127.0.0.1:${port}"`).join(', ')}]
    health: { tcp: {}, interval: 200ms, fall: 2 }
admin: { listen: "127.0.0.1:0", socket: ${JSON.stringify(join(folder, 'admin.sock'))} }
workers: 1
`,
  )
  const program = await Program.start([process.execPath, cli, 'run', '-c', file])
  t.teardown(() => program.kill())
  const found = async (pattern: RegExp) => {
    const [, port = ''] = pattern.exec(await program.line(pattern)) ?? []
    return Number(port)
  }
  const port = await found(/"msg":"listening on 127\.0\.0\.1:(\d+)/)
  const page = await found(/"address":"127\.0\.0\.1:(\d+)","msg":"admin page open"/)
  return { gateways, program, port, url: `http://127.0.0.1:${page}/` }
}

runs(
  title('a person reads off what works, what broke and since when, and that nobody answers'),
  async (t) => {
    const { gateways, program, port, url } = await start(t)
    browser.said.length = 0
    await browser.look(1280, 'light')
    await browser.open(url)
    await browser.until(`${has('h1', 'Nothing is wrong')} && ${has('#pools', '2 of 2 endpoints up')}`)
    t.regex((await texts('#listeners tbody tr'))[0] ?? '', /^open\s+edge\s/)
    t.true(await browser.read(has('#program', '<img src=x onerror=alert(1)>.yaml')))

    const clients = Array.from({ length: 7 }, () => connect(port, '127.0.0.1'))
    for (const client of clients) {
      t.teardown(() => client.destroy())
      client.write('x')
      await once(client, 'data')
    }
    await browser.until(has('[data-plot=active] .value', '7'))

    const [gone] = gateways
    if (gone === undefined) throw new Error('no gateway')
    const endpoint = `127.0.0.1:${gone.port}`
    await gone.close()
    await browser.until(
      `${has('h1', 'wrong')} && ${has('.findings', `${endpoint} of pool web has been down for`)}`,
    )
    t.regex(
      (await texts('.findings li'))[0] ?? '',
      /^Impaired\s[\s\S]*connection refused[\s\S]*Start the gateway/,
    )
    await browser.until(has('.pool tbody tr:first-child', endpoint))
    t.regex((await texts('.pool tbody tr:first-child'))[0] ?? '', /^down\s/)
    t.true(await browser.read(has('.pool .summary', '1 of 2 endpoints up')))
    t.regex(await browser.read('document.title'), /^\(\d\) spliceway$/)

    // Values are taken every 10 s: 7 connections are 0.7 a second, and two values are a line.
    await browser.until(has('[data-plot=new] .scale', 'max 0.7'))
    t.regex(
      await browser.read(`document.querySelector('[data-plot=new] .curve').getAttribute('points')`),
      / 89,/,
    )

    await program.kill()
    await browser.until(has('[role=alert]', 'No answer for'))
    t.is(await browser.read('document.title'), '(no answer) spliceway')
    // Chromium tells of each request that failed; that is all it may tell.
    t.deepEqual(
      browser.said.filter((each) => !each.includes('ERR_CONNECTION_REFUSED')),
      [],
    )
  },
)

/** The page of a program in this process that says `status` of itself. */
async function show(
  t: ExecutionContext,
  status: Status,
  width: number,
  scheme: 'light' | 'dark',
): Promise<void> {
  const app = { ...exampleApp(), status: () => status }
  const log = memoryLog()
  const listen = { host: '127.0.0.1', port: 0 }
  const admin = await startAdmin({ app, log, socketPath: null, listen, holder: async () => undefined })
  t.teardown(() => admin.close())
  browser.said.length = 0
  await browser.look(width, scheme)
  await browser.open(`http://${admin.address()}/`)
  await browser.until(`document.querySelector('#pools')`)
}

const hostile = `<script>alert(1)</script><img src=x onerror="alert(2)">\u202eexe`

/** Every state, every kind of finding, and texts that would like to be more. */
function worst(): Status {
  const states = ['up', 'down', 'unknown', 'suspect', 'silent', 'ejected', 'draining', 'unresolved'] as const
  const [pool, other] = exampleStatus.pools
  const [listener] = exampleStatus.listeners
  const [endpoint] = pool?.endpoints ?? []
  if (pool === undefined || other === undefined || listener === undefined || endpoint === undefined)
    throw new Error('the example has lost its parts')
  const name = `${'a'.repeat(60)}.${hostile}`
  const all = states.map((state) => ({
    ...endpoint,
    state,
    endpoint: `[2001:db8::${state}]:65535`,
    name,
    reason: name,
  }))
  const predecessors = [{ pid: 4711, version: hostile, connections: 3, endsInMs: 60_000, heardMsAgo: 400 }]
  return Object.assign(
    {
      ...exampleStatus,
      connections: { active: 9_000, limit: 9_872, limitedBy: hostile },
      listeners: [
        { ...listener, name, pool: name, maxConnections: 5, active: 5, full: 'listener-limit' as const },
        {
          ...listener,
          name: 'rules',
          routes: 3,
          pool: null,
          refused: { denied: 7 },
          failed: { server: 12_345 },
        },
        ...exampleStatus.listeners,
      ],
      pools: [
        { ...pool, name, endpoints: all },
        other,
        {
          ...pool,
          name: 'large',
          endpoints: Array.from({ length: 40 }, (_, at) => ({ ...endpoint, endpoint: `10.0.0.${at}:80` })),
        },
        { ...other, name: 'empty', endpoints: [] },
      ],
    },
    { predecessors },
  )
}

runs(title('names are text, whatever they contain, and no text can become anything else'), async (t) => {
  await show(t, worst(), 1280, 'light')
  const strange = await browser.read<string[]>(
    `[...document.querySelectorAll('#page script, #page img, #page [onerror]')].map((each) => each.outerHTML)`,
  )
  t.deepEqual(strange, [])
  t.true(
    await browser.read(
      has('.pool h3', '<script>alert(1)</script><img src=x onerror="alert(2)">\\u{202e}exe'),
    ),
  )
  t.true(await browser.read(has('#predecessors', '3 connections left')))
  t.deepEqual(browser.said, [])
  // As a mistake of the script would: the browser itself refuses.
  await t.throwsAsync(browser.read(`void (document.getElementById('page').innerHTML = '<b>bold</b>')`), {
    message: /TrustedHTML/,
  })
  await browser.read(
    `document.head.append(Object.assign(document.createElement('style'), { textContent: 'h1 {}' }))`,
  )
  await browser.read('new Promise((resolve) => setTimeout(resolve))')
  t.true(browser.said.some((each) => each.includes('Content Security Policy')))
})

/** What in the page is wider than the page, as `tag.class: text`. */
const tooWide = `(() => {
  const wide = document.documentElement.clientWidth
  return [...document.querySelectorAll('body *')]
    .filter((each) => each.getBoundingClientRect().right > wide + 0.5 && !each.closest('thead, svg'))
    .map((each) => each.tagName + '.' + each.className + ': ' + each.textContent.slice(0, 40))
})()`

for (const width of [390, 1280]) {
  runs(title(`at ${width} px nothing has to be scrolled sideways`), async (t) => {
    await show(t, worst(), width, 'light')
    t.deepEqual(await browser.read(tooWide), [])
    t.true(await browser.read('document.documentElement.scrollWidth <= document.documentElement.clientWidth'))
  })
}

/**
 * Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3), computed from what the browser computed;
 * and how many texts were looked at.
 */
const contrasts = `(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgb = (color) => {
    context.clearRect(0, 0, 1, 1)
    context.fillStyle = color
    context.fillRect(0, 0, 1, 1)
    return [...context.getImageData(0, 0, 1, 1).data]
  }
  const light = ([r, g, b]) => {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
  }
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const color = rgb(getComputedStyle(each).backgroundColor)
      if (color[3] === 255) return color
    }
    return [255, 255, 255]
  }
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05)
  const own = [...document.querySelectorAll('body *')].filter(
    (each) => each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''),
  )
  const faint = own
    .map((each) => ({ text: each.textContent.slice(0, 30), ratio: ratio(rgb(getComputedStyle(each).color), behind(each)) }))
    .filter(({ ratio }) => ratio < 4.5)
  const marks = [...document.querySelectorAll('.mark, .curve')]
    .map((each) => ({ text: each.getAttribute('class'), ratio: ratio(rgb(getComputedStyle(each).color), behind(each.parentElement)) }))
    .filter(({ ratio }) => ratio < 3)
  return { faint, marks, looked: own.length, paper: behind(document.body).slice(0, 3) }
})()`

for (const scheme of ['light', 'dark'] as const) {
  runs(title(`every text can be read: contrast of 4.5 and more, ${scheme}`), async (t) => {
    await show(t, worst(), 1280, scheme)
    const { faint, marks, looked, paper } = await browser.read<{
      faint: object[]
      marks: object[]
      looked: number
      paper: number[]
    }>(contrasts)
    t.deepEqual(faint, [])
    t.deepEqual(marks, [])
    t.true(looked > 100)
    t.is(Math.max(...paper) < 100, scheme === 'dark')
  })
}

runs(title('states differ in their shapes, not only in their colours'), async (t) => {
  await show(t, worst(), 1280, 'light')
  const shapes = await browser.read<string[]>(
    `['good', 'note', 'hurts', 'blocks'].map((tone) => document.querySelector('.state.' + tone + ' path')?.getAttribute('d'))`,
  )
  t.is(new Set(shapes.filter((shape) => shape !== null)).size, 4)
})

runs(
  title(
    'the keyboard reaches everything: plots are read value by value, endpoints are found, the page pauses',
  ),
  async (t) => {
    await show(t, worst(), 1280, 'light')
    const focus = `(document.activeElement?.id || document.activeElement?.dataset.plot || document.activeElement?.innerText)`
    const reached: string[] = []
    for (let each = 0; each < 80; each++) {
      await browser.press('Tab')
      reached.push(await browser.read(focus))
    }
    for (const id of ['pause', 'active', 'failed', 'listener rules', 'filter', '32 more are up', '/status'])
      t.true(reached.includes(id), `${id} of ${reached}`)

    await browser.read(`document.querySelector('[data-plot=active]').focus()`)
    const said = `document.activeElement.getAttribute('aria-valuetext')`
    t.regex(await browser.read(said), /^9,000, now; highest 9,000$/)
    await browser.press('ArrowLeft')
    t.regex(await browser.read(said), /, \d\d:\d\d:\d\d; highest/)
    await browser.press('End')
    t.regex(await browser.read(said), /, now; highest/)

    await browser.read(`document.querySelector('details').open = true`)
    await browser.press('p')
    t.is(await browser.read(`document.getElementById('pause').innerText`), 'Continue')
    const asOf = await browser.read(`document.querySelector('.age').innerText`)
    t.regex(String(asOf), /^paused at /)
    await browser.press('p')
    await browser.until(has('.age', 'as of'))
    // What somebody has opened, and where the focus is, survives a refresh.
    t.true(await browser.read(`document.querySelector('details').open`))
    t.is(await browser.read(focus), 'active')

    await browser.press('/')
    t.is(await browser.read(focus), 'filter')
    for (const character of '.0.37') await browser.press(character)
    t.deepEqual(await texts('.pool tbody tr td[data-column=Endpoint] .address'), ['10.0.0.37:80'])
    await browser.press('Escape')
    t.true((await texts('.pool tbody tr td[data-column=Endpoint] .address')).length > 8)
  },
)
