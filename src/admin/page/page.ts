import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { style } from './style.ts'

/** What runs in the browser, in this order: one script, so that the page is whole without another request. */
const parts = ['element', 'wording', 'plot', 'sections', 'tables', 'main'] as const

export interface Html {
  readonly contentType: string
  readonly body: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** `GET /`: one HTML, the same for all, and nothing in it comes from elsewhere. */
export async function page(): Promise<Html> {
  const script = await browserScript()
  const body = html(script)
  return {
    contentType: 'text/html; charset=utf-8',
    body: Buffer.from(body),
    headers: {
      'content-security-policy': policy(script),
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
  }
}

/**
 * Only this script, this style, and requests to where it comes from. Trusted types: no text becomes HTML, not
 * even by a mistake of the script; names and reasons may come from anywhere.
 */
function policy(script: string): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

/** The files of browser/, which import from each other, as one module. */
async function browserScript(): Promise<string> {
  const texts = await Promise.all(
    parts.map((name) => readFile(new URL(`./browser/${name}.mjs`, import.meta.url), 'utf8')),
  )
  return texts
    .join('\n')
    .replace(/^import [^']*'[^']*';?$/gm, '')
    .replace(/^export /gm, '')
}

function html(script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>spliceway</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<noscript>This page needs JavaScript. Without it: /status, /readyz, /metrics, or "spliceway status" on the host.</noscript>
<div id="page"></div>
<script type="module">${script}</script>
</body>
</html>
`
}
