import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { at } from './plain.ts'

/**
 * What `kubectl kustomize FOLDER` prints, as plain values in the same order, for the part of kustomize that this project
 * uses: resources, components, configMapGenerator (create and replace, no hash), JSON 6902 patches (add, replace, copy),
 * images. Throws at everything else.
 */
export function build(folder: string): readonly unknown[] {
  return apply(folder, [])
}

/**
 * What the overlay surge of `kubernetes` makes with the monitoring component, added as its comment says. In a copy of the
 * folder: other tests look at it meanwhile.
 */
export function buildMonitored(kubernetes: string): readonly unknown[] {
  const copy = mkdtempSync(join(tmpdir(), 'spliceway-kubernetes-'))
  try {
    cpSync(kubernetes, copy, { recursive: true })
    const place = join(copy, 'overlays', 'monitored')
    mkdirSync(place)
    writeFileSync(
      join(place, 'kustomization.yaml'),
      'resources: [../surge]\ncomponents: [../../monitoring]\n',
    )
    return build(place)
  } finally {
    rmSync(copy, { recursive: true })
  }
}

/** The plain values of every document of a file. Throws at a syntax error or a key given twice. */
export function documentsOf(file: string): readonly unknown[] {
  return parse(readFileSync(file, 'utf8'), file)
}

function parse(text: string, name: string): readonly unknown[] {
  return parseAllDocuments(text).map((document) => {
    const fault = document.errors[0] ?? document.warnings[0]
    if (fault !== undefined) throw new Error(`${name}: ${fault.message}`)
    return document.toJS()
  })
}

const fields = ['apiVersion', 'kind', 'resources', 'components', 'configMapGenerator', 'patches', 'images']

/** `before`: what a component is applied to. */
function apply(folder: string, before: readonly unknown[]): readonly unknown[] {
  const [kustomization] = documentsOf(join(folder, 'kustomization.yaml'))
  const list = (key: string): readonly unknown[] => {
    const value = at(kustomization, key)
    return Array.isArray(value) ? value : []
  }
  const unknown = Object.keys(Object(kustomization)).filter((key) => !fields.includes(key))
  if (unknown.length > 0) throw new Error(`${folder}: not understood: ${unknown}`)

  let objects = [...before]
  for (const path of list('resources').map(String)) {
    objects.push(...(path.endsWith('.yaml') ? documentsOf(join(folder, path)) : build(join(folder, path))))
  }
  for (const path of list('components')) objects = [...apply(join(folder, String(path)), objects)]
  for (const generator of list('configMapGenerator')) objects = generate(folder, generator, objects)
  for (const patch of list('patches')) patchAll(folder, patch, objects)
  for (const image of list('images')) rename(image, objects)
  return objects
}

function generate(folder: string, generator: unknown, objects: readonly unknown[]): unknown[] {
  const name = at(generator, 'name')
  const files = at(generator, 'files')
  if (at(generator, 'options', 'disableNameSuffixHash') !== true || !Array.isArray(files)) {
    throw new Error(`not understood: ${JSON.stringify(generator)}`)
  }
  const data = Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]))
  const metadata = { name, namespace: at(generator, 'namespace') }
  const made = { apiVersion: 'v1', data, kind: 'ConfigMap', metadata }
  const index = objects.findIndex(
    (object) => at(object, 'kind') === 'ConfigMap' && at(object, 'metadata', 'name') === name,
  )
  const replaces = at(generator, 'behavior') === 'replace'
  if (replaces !== index >= 0) throw new Error(`ConfigMap ${name}: replaces ${replaces}, found at ${index}`)
  return replaces ? objects.with(index, made) : [...objects, made]
}

function patchAll(folder: string, patch: unknown, objects: readonly unknown[]): void {
  const path = at(patch, 'path')
  const text =
    path === undefined ? String(at(patch, 'patch')) : readFileSync(join(folder, String(path)), 'utf8')
  const [operations] = parse(text, String(path ?? folder))
  const targets = objects.filter(
    (object) =>
      at(object, 'kind') === at(patch, 'target', 'kind') &&
      at(object, 'metadata', 'name') === at(patch, 'target', 'name'),
  )
  if (targets.length === 0 || !Array.isArray(operations)) throw new Error(`${folder}: a patch without effect`)
  for (const target of targets) for (const operation of operations) patchOne(operation, target)
}

/** RFC 6902, in place. */
function patchOne(operation: unknown, target: unknown): void {
  const op = at(operation, 'op')
  const keys = pointer(at(operation, 'path'))
  const last = keys.pop() ?? ''
  const parent = at(target, ...keys)
  const value = op === 'copy' ? at(target, ...pointer(at(operation, 'from'))) : at(operation, 'value')
  const known =
    op === 'add' ||
    (op === 'copy' && value !== undefined) ||
    (op === 'replace' && at(parent, last) !== undefined)
  if (typeof parent !== 'object' || parent === null || !known) {
    throw new Error(`not applicable: ${JSON.stringify(operation)}`)
  }
  if (Array.isArray(parent) && op !== 'replace')
    parent.splice(last === '-' ? parent.length : Number(last), 0, value)
  else Reflect.set(parent, last, value)
}

function pointer(path: unknown): string[] {
  return String(path)
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function rename(image: unknown, objects: readonly unknown[]): void {
  const { name, newName, newTag } = Object(image)
  for (const object of objects) {
    const containers = at(object, 'spec', 'template', 'spec', 'containers')
    for (const container of Array.isArray(containers) ? containers : []) {
      if (String(container.image).split(':')[0] === name) container.image = `${newName}:${newTag}`
    }
  }
}
