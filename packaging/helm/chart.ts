import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const checkout = join(import.meta.dirname, '../..')
const overlays = 'config/kubernetes/overlays'
export const chart = 'config/helm/spliceway'

function read(path: string): string {
  return readFileSync(join(checkout, path), 'utf8')
}

/** `config: |` is the last key of a file of values: what follows it is the configuration of an overlay. */
function withConfig(path: string, overlay: string): string {
  const text = read(path)
  const head = /^[\s\S]*^config: \|\n/m.exec(text)?.[0]
  if (head === undefined) return text
  const config = read(`${overlays}/${overlay}/spliceway.yaml`)
  return head + config.replace(/^(?=.)/gm, '  ')
}

/** The overlay of kustomize that a file of values stands for. */
export function overlayOf(example: string): string {
  return example.replace(/\.yaml$/, '')
}

/**
 * What the chart repeats of other files, by its path: configurations and alerts of config/kubernetes, the version of
 * package.json.
 */
export function repeated(): ReadonlyMap<string, string> {
  const { version } = JSON.parse(read('package.json'))
  const numbered = read(`${chart}/Chart.yaml`).replace(/^((?:appV|v)ersion: ).*$/gm, `$1${version}`)
  const examples = readdirSync(join(checkout, chart, 'examples')).toSorted()
  return new Map([
    [`${chart}/Chart.yaml`, numbered],
    [`${chart}/files/alerts.yaml`, read('config/kubernetes/monitoring/prometheus-rule.yaml')],
    [`${chart}/values.yaml`, withConfig(`${chart}/values.yaml`, 'surge')],
    ...examples.map((name): [string, string] => {
      const path = `${chart}/examples/${name}`
      return [path, withConfig(path, overlayOf(name))]
    }),
  ])
}
