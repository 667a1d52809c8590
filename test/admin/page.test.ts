import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { History } from '../../src/admin/history.ts'
import { page } from '../../src/admin/page/page.ts'
import { freshPages } from '../../src/admin/pages.ts'
import { answer, type Via } from '../../src/admin/routes.ts'
import type { Status } from '../../src/core/status.ts'
import { run } from '../helpers/program.ts'
import { checkout } from '../packaging/image.ts'
import { exampleApp, exampleStatus } from '../telemetry/example-app.ts'

/** What a request to an admin listener is answered. */
async function ask(path: string, options: { via?: Via; host?: string; status?: Status } = {}) {
  const { via = 'tcp', host = '127.0.0.1:9981', status = exampleStatus } = options
  const app = { ...exampleApp(), status: () => status }
  const pages = freshPages(app, new History())
  return answer(app, pages, { via, method: 'GET', path, host }, async () => {})
}

test('GET / over TCP is one HTML that asks for nothing from elsewhere', async (t) => {
  const { status, contentType, body } = await ask('/')
  t.is(status, 200)
  t.is(contentType, 'text/html; charset=utf-8')
  const html = String(body)
  t.regex(html, /^<!doctype html>/)
  t.deepEqual(html.match(/(?:src|href)="(?!data:,")[^"]*"/g), null)
  t.notRegex(html, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/)
  t.notRegex(html, /\bon[a-z]+\s*=\s*["']|javascript:|style="/)
})

test('the policy allows the script and the style of the page, by their hashes, and nothing else', async (t) => {
  const { headers, body } = await page()
  const policy = headers?.['content-security-policy'] ?? ''
  const of = (tag: string): string => {
    const [, text = ''] = new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`).exec(String(body)) ?? []
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  t.true(policy.includes(`default-src 'none'; script-src ${of('script')}; style-src ${of('style')}; `))
  t.regex(policy, /frame-ancestors 'none'/)
  t.regex(policy, /require-trusted-types-for 'script'; trusted-types 'none'/)
  t.notRegex(policy, /unsafe|\*|https?:/)
})

test('the script makes elements of text: it has no way to make HTML', async (t) => {
  const { body } = await page()
  t.notRegex(
    String(body),
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/,
  )
})

test('the page has no data in it: names go as JSON, and no HTML is made of them', async (t) => {
  const name = '<script>alert(1)</script>'
  const [listener] = exampleStatus.listeners
  const status = { ...exampleStatus, listeners: listener === undefined ? [] : [{ ...listener, name }] }
  t.false(String((await ask('/', { status })).body).includes('alert(1)'))
  const data = await ask('/overview', { status })
  t.is(data.contentType, 'application/json; charset=utf-8')
  t.is(JSON.parse(String(data.body)).status.listeners[0].name, name)
})

test('a name that is not ours gets neither the page nor what it shows', async (t) => {
  for (const path of ['/', '/overview']) {
    t.is((await ask(path, { host: 'evil.example' })).status, 421)
    t.is((await ask(path, { host: 'edge.example:9981' })).status, 200)
    t.is((await ask(path)).headers?.['cross-origin-resource-policy'], 'same-origin')
  }
})

test('the UNIX socket lists what is there, and has no page', async (t) => {
  t.regex(String((await ask('/', { via: 'socket' })).body), /^spliceway admin\nGET {2}\/livez/)
  t.is((await ask('/overview', { via: 'socket' })).status, 404)
})

test('what runs in the browser has its types', async (t) => {
  const said = await run([`${checkout}/node_modules/.bin/tsc`, '-p', `${checkout}/tsconfig.browser.json`])
  t.is(said.out, '')
  t.is(said.code, 0)
})

test('nothing of the page is loaded before somebody asks for it', (t) => {
  const seen = new Set<string>()
  const load = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    const text = readFileSync(path, 'utf8')
    for (const [, from = ''] of text.matchAll(/^(?:import|export) (?!type\b)[^']*?from '(\.[^']+)'/gm))
      load(join(dirname(path), from))
  }
  load(join(checkout, 'src/admin/admin.ts'))
  t.true(seen.size > 10)
  t.deepEqual(
    [...seen].filter((path) => path.includes('/admin/page/')),
    [],
  )
})

test('every file for the browser is in the page', async (t) => {
  const { body } = await page()
  for (const file of globSync('src/admin/page/browser/*.mjs', { cwd: checkout })) {
    const [, name = ''] = /^export function (\w+)/m.exec(readFileSync(`${checkout}/${file}`, 'utf8')) ?? []
    t.true(name === '' || String(body).includes(`\nfunction ${name}(`), file)
  }
})
