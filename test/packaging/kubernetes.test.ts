import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseAllDocuments } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { stageOf } from './dockerfile.ts'
import { checkout, stages } from './image.ts'

const folder = join(checkout, 'config/kubernetes')
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

/** The plain values of every document of a file. Throws at a syntax error or a key given twice. */
function documentsOf(name: string): readonly unknown[] {
  return parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => {
    const fault = document.errors[0] ?? document.warnings[0]
    if (fault !== undefined) throw new Error(`${name}: ${fault.message}`)
    return document.toJS()
  })
}

/** What is at a path of plain values; undefined when there is nothing. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (part, key) => (typeof part === 'object' && part !== null ? Reflect.get(part, key) : undefined),
    value,
  )
}

const objects = files.filter((name) => name !== 'kustomization.yaml').flatMap(documentsOf)

function only(kind: string): unknown {
  const found = objects.filter((object) => at(object, 'kind') === kind)
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`)
  return found[0]
}

const daemonSet = only('DaemonSet')
const pod = at(daemonSet, 'spec', 'template', 'spec')
const container = at(pod, 'containers', 0)
const socket = '/run/spliceway/spliceway.sock'

/** The configuration inside the ConfigMap. Throws at a problem or a warning. */
function config(): Config {
  const written = String(at(only('ConfigMap'), 'data', 'spliceway.yaml'))
  const parsed = parseConfig(written, { file: 'configmap.yaml', env: {} })
  const problems = parsed.kind === 'ok' ? parsed.warnings : parsed.problems
  if (parsed.kind === 'ok' && problems.length === 0) return parsed.config
  throw new Error(problems.map((problem) => renderProblem(problem)).join('\n'))
}

test('the kustomization lists every file beside it', (t) => {
  const [kustomization] = documentsOf('kustomization.yaml')
  const listed = at(kustomization, 'resources')
  t.deepEqual(
    Array.isArray(listed) ? listed.toSorted() : listed,
    files.filter((name) => name !== 'kustomization.yaml').toSorted(),
  )
})

test('every object says what it is, and all but the namespace are in it', (t) => {
  t.true(objects.length >= 5)
  for (const object of objects) {
    t.is(typeof at(object, 'apiVersion'), 'string')
    const kind = at(object, 'kind')
    t.is(at(object, 'metadata', 'namespace'), kind === 'Namespace' ? undefined : 'spliceway', String(kind))
  }
})

test('the namespace allows the network of the host', (t) => {
  t.is(at(only('Namespace'), 'metadata', 'labels', 'pod-security.kubernetes.io/enforce'), 'privileged')
  t.true(at(pod, 'hostNetwork'))
})

test('the configuration passes the parser without a warning', (t) => {
  t.deepEqual(
    config().listeners.map(({ host, port }) => `${host} ${port}`),
    [':: 80', ':: 443'],
  )
})

test('the drain is over before the kubelet kills', (t) => {
  const graceMs = Number(at(pod, 'terminationGracePeriodSeconds')) * 1000
  t.true(graceMs - config().drain.deadlineMs >= 3_000)
  t.true(graceMs <= 30_000, 'without surge a long grace is a node without a listener')
})

test('one node at a time, and no surge: two Pods cannot have the same host ports', (t) => {
  t.deepEqual(at(daemonSet, 'spec', 'updateStrategy'), {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  })
})

test('the Pod is found by its DaemonSet', (t) => {
  t.deepEqual(
    at(daemonSet, 'spec', 'template', 'metadata', 'labels'),
    at(daemonSet, 'spec', 'selector', 'matchLabels'),
  )
})

test('names of Services resolve from the network of the host', (t) => {
  t.is(at(pod, 'dnsPolicy'), 'ClusterFirstWithHostNet')
})

test('no token is mounted, in the Pod nor by the account', (t) => {
  t.false(at(pod, 'automountServiceAccountToken'))
  t.false(at(only('ServiceAccount'), 'automountServiceAccountToken'))
  t.is(at(pod, 'serviceAccountName'), at(only('ServiceAccount'), 'metadata', 'name'))
})

test('the user is the one of the image', (t) => {
  const user = stageOf(stages, null).instructions.find(({ keyword }) => keyword === 'USER')?.text ?? ''
  const { runAsUser, runAsGroup } = Object(at(pod, 'securityContext'))
  t.is(`${runAsUser}:${runAsGroup}`, user)
  t.true(at(pod, 'securityContext', 'runAsNonRoot'))
})

test('the container may bind low ports and nothing else', (t) => {
  t.deepEqual(at(container, 'securityContext'), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
  })
  t.is(at(container, 'command'), undefined, 'a shell before Node would lose the capability')
})

test('the image carries the version of the package', (t) => {
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  t.is(at(container, 'image'), `spliceway:${version}`)
  t.is(at(documentsOf('kustomization.yaml')[0], 'images', 0, 'newTag'), version)
})

test('readiness and startup ask the socket that the configuration opens, on a volume that can be written', (t) => {
  t.deepEqual(config().admin.socket, { kind: 'path', path: socket })
  t.deepEqual(at(container, 'readinessProbe', 'exec', 'command'), ['spliceway', 'ready', '--socket', socket])
  t.deepEqual(at(container, 'startupProbe', 'exec', 'command'), ['spliceway', 'status', '--socket', socket])
  t.true(
    JSON.stringify(at(container, 'volumeMounts')).includes('{"name":"run","mountPath":"/run/spliceway"}'),
  )
  t.true(JSON.stringify(at(pod, 'volumes')).includes('{"name":"run","emptyDir":'))
})

test('liveness asks the admin page that the configuration opens', (t) => {
  const { host, port, path } = Object(at(container, 'livenessProbe', 'httpGet'))
  t.deepEqual(config().admin.listen, { host, port })
  t.is(path, '/livez')
})

test('a probe has time for a start of Node', (t) => {
  for (const probe of ['startupProbe', 'readinessProbe']) {
    t.true(Number(at(container, probe, 'timeoutSeconds')) >= 5, probe)
  }
  t.true(Number(at(container, 'readinessProbe', 'periodSeconds')) >= 10)
})

test('the declared ports are those that the configuration binds', (t) => {
  const { listeners, admin } = config()
  const ports = at(container, 'ports')
  const declared = Array.isArray(ports) ? ports.map((port) => at(port, 'containerPort')) : []
  t.deepEqual(declared, [...listeners.map(({ port }) => port), admin.listen?.port])
})

test('the configuration is mounted as a folder, where the image looks for it', (t) => {
  const mounts = at(container, 'volumeMounts')
  const mount = Array.isArray(mounts) ? mounts.find((each) => at(each, 'name') === 'config') : undefined
  t.deepEqual(mount, { name: 'config', mountPath: '/etc/spliceway', readOnly: true })
  t.is(at(pod, 'volumes', 0, 'configMap', 'name'), at(only('ConfigMap'), 'metadata', 'name'))
})

test('memory is limited and the processor is not', (t) => {
  t.deepEqual(at(container, 'resources'), {
    requests: { cpu: '100m', memory: '192Mi' },
    limits: { memory: '512Mi' },
  })
})

test('the quota names the priority class of the Pod', (t) => {
  const scope = at(only('ResourceQuota'), 'spec', 'scopeSelector', 'matchExpressions', 0)
  t.deepEqual(at(scope, 'values'), [at(pod, 'priorityClassName')])
})
