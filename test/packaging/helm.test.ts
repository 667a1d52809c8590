import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DaemonSet, type IDaemonSet } from 'kubernetes-models/apps/v1/DaemonSet'
import { parse, parseAllDocuments } from 'yaml'
import { chart, overlayOf, repeated } from '../../packaging/helm/chart.ts'
import { findProgram } from '../helpers/find-program.ts'
import { run } from '../helpers/program.ts'
import { checkout } from './image.ts'
import { build, buildMonitored, documentsOf } from './kustomize.ts'
import { at } from './plain.ts'

const folder = join(checkout, chart)
const overlays = join(checkout, 'config/kubernetes/overlays')
const names = readdirSync(overlays).filter((name) => !name.startsWith('.'))

test('the chart repeats configurations, alerts and the version as they are elsewhere: npm run chart writes them', (t) => {
  for (const [path, text] of repeated()) t.is(readFileSync(join(checkout, path), 'utf8'), text, path)
})

const examples = readdirSync(join(folder, 'examples')).map(overlayOf)

test('there are values for every overlay', (t) => {
  for (const name of names.filter((each) => each !== 'surge')) t.true(examples.includes(name), name)
})

test('every value has a schema, and every schema a value', (t) => {
  const { global: _, ...properties } = JSON.parse(
    readFileSync(join(folder, 'values.schema.json'), 'utf8'),
  ).properties
  const [values] = documentsOf(join(folder, 'values.yaml'))
  t.deepEqual(Object.keys(properties).toSorted(), Object.keys(Object(values)).toSorted())
  for (const [name, { properties: inner }] of Object.entries<{ properties?: object }>(properties)) {
    const value = at(values, name)
    if (inner !== undefined && value !== null)
      t.deepEqual(Object.keys(inner).toSorted(), Object.keys(Object(value)).toSorted(), name)
  }
})

/** $HELM, the one on PATH, or the one that .ci/run fetched. */
function findHelm(): string | null {
  const fetched = join(checkout, 'node_modules/.cache/tools/helm/helm')
  return process.env.HELM ?? findProgram('helm') ?? (existsSync(fetched) ? fetched : null)
}

const helm = findHelm()
const withHelm = helm === null ? test.skip : test
const suffix = helm === null ? ' (skipped: no helm here)' : ''

/** What `helm` answers, with what it would keep at home in a folder that ends with the test. */
async function ask(t: ExecutionContext, ...words: readonly string[]) {
  const home = mkdtempSync(join(tmpdir(), 'spliceway-helm-'))
  t.teardown(() => rmSync(home, { recursive: true }))
  return run([helm ?? 'helm', ...words], { env: { HOME: home, XDG_CACHE_HOME: home, KUBECONFIG: '' } })
}

async function template(t: ExecutionContext, ...words: readonly string[]): Promise<readonly unknown[]> {
  const said = await ask(t, 'template', 'spliceway', folder, '--namespace', 'spliceway', ...words)
  if (said.code !== 0) throw new Error(said.err)
  const documents = parseAllDocuments(said.out).map((document): unknown => document.toJS())
  return byIdentity(documents.filter((document) => document !== null))
}

function byIdentity(objects: readonly unknown[]): readonly unknown[] {
  const identity = (object: unknown): string =>
    `${at(object, 'kind')} ${at(object, 'metadata', 'namespace')}/${at(object, 'metadata', 'name')}`
  return objects.toSorted((a, b) => identity(a).localeCompare(identity(b), 'en'))
}

function valuesOf(name: string): readonly string[] {
  return name === 'surge' ? [] : ['--values', join(folder, 'examples', `${name}.yaml`)]
}

for (const name of names) {
  withHelm(`${name}: helm template makes what kustomize builds${suffix}`, async (t) => {
    const made = await template(t, '--set', 'namespace.create=true', ...valuesOf(name))
    t.deepEqual(made, byIdentity(plain(build(join(overlays, name)))))
  })
}

withHelm(`monitoring: helm template makes what the component of kustomize adds${suffix}`, async (t) => {
  const wanted = byIdentity(plain(buildMonitored(join(overlays, '..'))))
  t.deepEqual(await template(t, '--set', 'namespace.create=true,monitoring.enabled=true'), wanted)
})

/** As it would be read back: keys that are undefined are none. */
function plain(objects: readonly unknown[]): readonly unknown[] {
  return JSON.parse(JSON.stringify(objects))
}

withHelm(`helm lint has nothing to say, with any values${suffix}`, async (t) => {
  for (const name of ['surge', ...examples]) {
    const said = await ask(t, 'lint', folder, '--strict', '--quiet', ...valuesOf(name))
    t.deepEqual([said.code, said.out.replace(/.*\[INFO\].*|\s/g, '')], [0, ''], said.out + said.err)
  }
})

withHelm(
  `what else can be set makes a DaemonSet that the schema of Kubernetes accepts${suffix}`,
  async (t) => {
    const digest = `sha256:${'0'.repeat(64)}`
    const objects = await template(
      t,
      ...['--set', 'handoverSecret.enabled=true,transparent=true,name=edge,quota.enabled=false'],
      ...['--set', `image.digest=${digest},image.pullPolicy=Always,image.pullSecrets[0].name=registry`],
      ...['--set', 'env[0].name=ZONE,env[0].value=a,podAnnotations.team=edge,monitoring.enabled=true'],
      ...['--set', 'terminationGracePeriodSeconds=600,discovery.namespaces=null'],
    )
    const daemonSet = objects.find((object) => at(object, 'kind') === 'DaemonSet')
    t.notThrows(() => new DaemonSet(daemonSet as IDaemonSet).validate())
    const pod = at(daemonSet, 'spec', 'template', 'spec')
    const container = at(pod, 'containers', 0)
    t.is(at(container, 'image'), `spliceway@${digest}`)
    t.is(at(pod, 'initContainers', 0, 'image'), at(container, 'image'))
    t.deepEqual(at(container, 'securityContext', 'capabilities', 'add'), ['NET_BIND_SERVICE', 'NET_RAW'])
    t.is(at(pod, 'terminationGracePeriodSeconds'), 600)
    t.false(at(pod, 'automountServiceAccountToken'), 'without Services to find, no token')
    const variables = at(container, 'env')
    t.deepEqual(Array.isArray(variables) ? variables.map(({ name }) => name) : [], [
      'NODE_NAME',
      'HOST_IP',
      'ADMIN_HOST',
      'ZONE',
    ])
    for (const object of objects) {
      t.regex(String(at(object, 'metadata', 'name')), /^edge(-metrics)?$/)
      t.notRegex(JSON.stringify(object), /spliceway-metrics/)
    }
  },
)

withHelm(`a configuration from a file arrives byte for byte: on stays a word${suffix}`, async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'spliceway-helm-'))
  t.teardown(() => rmSync(place, { recursive: true }))
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the program replaces it
  const text = '# comment, {{ not a template }}\nforward: { 80: "a:1" }\nonDown: on\n\n  \ttail: "${X:-y}"\n'
  writeFileSync(join(place, 'a.yaml'), text)
  const objects = await template(t, '--set-file', `config=${join(place, 'a.yaml')}`)
  const map = objects.find((object) => at(object, 'kind') === 'ConfigMap')
  t.is(at(map, 'data', 'spliceway.yaml'), text)
})

const refused = [
  ['a configuration that is not one text', 'config: { forward: { 80: "a:1" } }', /config.*string/],
  ['a word that no value has', 'updat: surge', /updat/],
  ['another update strategy', 'update: OnDelete', /update/],
  ['declared ports with surge', 'ports: [{ containerPort: 80 }]', /with update: surge there must be none/],
  ['a long drain with recreate', 'update: recreate\nterminationGracePeriodSeconds: 3600', /more than 60/],
] as const

for (const [what, values, message] of refused) {
  withHelm(`${what} is refused before anything is made${suffix}`, async (t) => {
    t.truthy(parse(values))
    const place = mkdtempSync(join(tmpdir(), 'spliceway-helm-'))
    t.teardown(() => rmSync(place, { recursive: true }))
    writeFileSync(join(place, 'values.yaml'), values)
    await t.throwsAsync(template(t, '--values', join(place, 'values.yaml')), { message })
  })
}
