import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule'
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'
import test from 'ava'
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet'
import { Role } from 'kubernetes-models/rbac.authorization.k8s.io/v1/Role'
import { RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Namespace } from 'kubernetes-models/v1/Namespace'
import { ResourceQuota } from 'kubernetes-models/v1/ResourceQuota'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import { parse, parseAllDocuments } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { renderProblem } from '../../src/config/problem.ts'
import { stageOf } from './dockerfile.ts'
import { checkout, stages } from './image.ts'
import { build, buildMonitored, documentsOf } from './kustomize.ts'
import { at } from './plain.ts'

const folder = join(checkout, 'config/kubernetes')
const socket = '/run/spliceway/spliceway.sock'
const handoverFolder = '/run/spliceway-handover'
/** What the kubelet puts into the container's environment. */
const env = { NODE_NAME: 'node-1', HOST_IP: '192.0.2.10' }

interface Overlay {
  readonly name: string
  readonly objects: readonly unknown[]
  readonly daemonSet: unknown
  readonly pod: unknown
  readonly container: unknown
  readonly config: Config
  /** The same text as plain values, variables as written. */
  readonly written: unknown
}

function overlay(name: string): Overlay {
  const objects = build(join(folder, 'overlays', name))
  const daemonSet = only(objects, 'DaemonSet')
  const pod = at(daemonSet, 'spec', 'template', 'spec')
  const text = String(at(only(objects, 'ConfigMap'), 'data', 'spliceway.yaml'))
  const container = at(pod, 'containers', 0)
  return { name, objects, daemonSet, pod, container, config: parsed(text, name), written: parse(text) }
}

function only(objects: readonly unknown[], kind: string): unknown {
  const found = objects.filter((object) => at(object, 'kind') === kind)
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`)
  return found[0]
}

/** Throws at a problem or a warning. */
function parsed(text: string, file: string): Config {
  const result = parseConfig(text, { file, env })
  const problems = result.kind === 'ok' ? result.warnings : result.problems
  if (result.kind === 'ok' && problems.length === 0) return result.config
  throw new Error(problems.map((problem) => renderProblem(problem)).join('\n'))
}

const overlays = readdirSync(join(folder, 'overlays')).map(overlay)
const recreate = overlays.filter(({ name }) => name === 'recreate')
const surging = overlays.filter(({ name }) => name !== 'recreate')

const monitoring = buildMonitored(folder)

const models = {
  ConfigMap,
  DaemonSet,
  Namespace,
  PrometheusRule,
  ResourceQuota,
  Role,
  RoleBinding,
  Service,
  ServiceAccount,
  ServiceMonitor,
}

function isModel(kind: string): kind is keyof typeof models {
  return Object.hasOwn(models, kind)
}

/** The class that knows the schema of an object. */
function modelOf(object: unknown): { readonly kind: string; validate(): void } {
  const kind = String(at(object, 'kind'))
  if (!isModel(kind)) throw new Error(`no schema for ${kind}`)
  const Model: new (data: never) => { validate(): void } = models[kind]
  return { kind, validate: () => new Model(object as never).validate() }
}

test('there are the overlays that the documents name', (t) => {
  t.deepEqual(
    overlays.map(({ name }) => name),
    ['apisix', 'kong', 'otel-hostport', 'recreate', 'surge', 'transparent'],
  )
})

test('every manifest belongs to a kustomization beside it', (t) => {
  for (const path of ['base', 'monitoring', ...overlays.map(({ name }) => `overlays/${name}`)]) {
    const text = readFileSync(join(folder, path, 'kustomization.yaml'), 'utf8')
    const others = readdirSync(join(folder, path)).filter((name) => name !== 'kustomization.yaml')
    for (const name of others) t.true(text.includes(name), `${path}/${name}`)
  }
})

for (const { name, objects } of [...overlays, { name: 'surge with monitoring', objects: monitoring }]) {
  test(`${name}: every object is what the schema of its kind says`, (t) => {
    t.true(objects.length >= 7)
    for (const object of objects) t.notThrows(() => modelOf(object).validate(), modelOf(object).kind)
  })
}

test('the schemas find a mistake', (t) => {
  const [surge] = surging
  const wrong = structuredClone(surge?.daemonSet)
  Reflect.set(Object(at(wrong, 'spec', 'template', 'spec')), 'hostNetwork', 'yes')
  t.throws(() => modelOf(wrong).validate(), { message: /hostNetwork/ })
})

const kubectl = spawnSync('kubectl', ['kustomize', '--help']).status === 0
const withKubectl = kubectl ? test : test.skip

withKubectl(`kubectl kustomize builds the same${kubectl ? '' : ' (skipped: no kubectl here)'}`, (t) => {
  for (const { name, objects } of overlays) {
    const text = execFileSync('kubectl', ['kustomize', join(folder, 'overlays', name)], { encoding: 'utf8' })
    const byName = (all: readonly unknown[]) =>
      all.toSorted((a, b) => identity(a).localeCompare(identity(b), 'en'))
    t.deepEqual(
      byName(parseAllDocuments(text).map((document): unknown => document.toJS())),
      byName(objects),
      name,
    )
  }
})

/** `Role kong/spliceway` */
function identity(object: unknown): string {
  return `${at(object, 'kind')} ${at(object, 'metadata', 'namespace')}/${at(object, 'metadata', 'name')}`
}

test('no two objects of an overlay are the same one', (t) => {
  for (const { objects } of overlays) t.is(new Set(objects.map(identity)).size, objects.length)
})

test('the namespace allows the network of the host', (t) => {
  for (const { objects, pod } of overlays) {
    t.is(
      at(only(objects, 'Namespace'), 'metadata', 'labels', 'pod-security.kubernetes.io/enforce'),
      'privileged',
    )
    t.true(at(pod, 'hostNetwork'))
  }
})

test('the program may list and watch EndpointSlices where its Services are, and nothing else', (t) => {
  for (const { name, objects, written } of overlays) {
    const role = only(objects, 'Role')
    t.deepEqual(at(role, 'rules'), [
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ])
    const binding = only(objects, 'RoleBinding')
    const account = only(objects, 'ServiceAccount')
    t.deepEqual(at(binding, 'subjects', 0), {
      kind: 'ServiceAccount',
      name: at(account, 'metadata', 'name'),
      namespace: at(account, 'metadata', 'namespace'),
    })
    t.is(at(binding, 'roleRef', 'name'), at(role, 'metadata', 'name'))
    const namespace = at(role, 'metadata', 'namespace')
    t.is(at(binding, 'metadata', 'namespace'), namespace)
    for (const { service } of poolsOf(written))
      t.is(service.split('/')[0], String(namespace), `${name}: ${service}`)
  }
})

interface ServicePool {
  /** `namespace/name` */
  readonly service: string
  readonly port: string
  readonly locality: string
  readonly sendProxyProtocol: string
}

/** The pools of a configuration. Throws when one has no Service. */
function poolsOf(written: unknown): readonly ServicePool[] {
  return Object.entries(Object(at(written, 'pools'))).map(([name, pool]) => {
    const { service, port, locality } = Object(at(pool, 'kubernetes'))
    if (typeof service !== 'string') throw new Error(`pool ${name} has no Service`)
    return { service, port, locality, sendProxyProtocol: String(at(pool, 'sendProxyProtocol')) }
  })
}

test('the token is mounted into the Pod that needs it, and into no other of the account', (t) => {
  for (const { pod, objects } of overlays) {
    t.true(at(pod, 'automountServiceAccountToken'))
    t.false(at(only(objects, 'ServiceAccount'), 'automountServiceAccountToken'))
    t.is(at(pod, 'serviceAccountName'), at(only(objects, 'ServiceAccount'), 'metadata', 'name'))
  }
})

test('a Service that an overlay brings is the one that its pools read, with those ports', (t) => {
  for (const { objects, written } of overlays.filter(({ name }) => ['kong', 'apisix'].includes(name))) {
    const found = only(objects, 'Service')
    const name = `${at(found, 'metadata', 'namespace')}/${at(found, 'metadata', 'name')}`
    const ports = at(found, 'spec', 'ports')
    const names = Array.isArray(ports) ? ports.map((port) => String(at(port, 'name'))) : []
    for (const { service, port, sendProxyProtocol } of poolsOf(written)) {
      t.is(service, name)
      t.true(names.includes(port), port)
      t.is(sendProxyProtocol, 'v2')
    }
  }
})

test('surge: the next Pod starts beside the old one, and declares no port that could keep it waiting', (t) => {
  for (const { daemonSet, container, objects } of surging) {
    t.deepEqual(at(daemonSet, 'spec', 'updateStrategy'), {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
    })
    t.is(at(container, 'ports'), undefined)
    t.notRegex(JSON.stringify(objects.filter((object) => at(object, 'kind') === 'DaemonSet')), /[pP]orts"/)
    t.true(Number(at(daemonSet, 'spec', 'minReadySeconds')) >= 10)
  }
})

test('surge: the next Pod takes the sockets over, and the old one drains for an hour', (t) => {
  for (const { pod, config, written } of surging) {
    t.deepEqual(at(written, 'handover'), { socket: '@spliceway', secret: `${handoverFolder}/secret` })
    t.is(at(pod, 'terminationGracePeriodSeconds'), 3_600)
    t.is(config.drain.deadlineMs, 3_595_000)
  }
})

test('surge: Pods of a node share a folder that is theirs alone, for the secret by which they know each other', (t) => {
  for (const { pod, container } of surging) {
    t.deepEqual(named(at(pod, 'volumes'), 'handover'), {
      name: 'handover',
      hostPath: { path: handoverFolder, type: 'DirectoryOrCreate' },
    })
    const mount = { name: 'handover', mountPath: handoverFolder }
    t.deepEqual(named(at(container, 'volumeMounts'), 'handover'), mount)
    const before = at(pod, 'initContainers', 0)
    t.is(at(before, 'image'), at(container, 'image'))
    t.deepEqual(at(before, 'volumeMounts'), [mount])
    const { runAsUser, runAsGroup } = Object(at(pod, 'securityContext'))
    t.deepEqual(at(before, 'command'), [
      ...['install', '-d', '-o', String(runAsUser), '-g', String(runAsGroup), '-m', '700'],
      handoverFolder,
    ])
    t.deepEqual(at(before, 'securityContext', 'capabilities'), { drop: ['ALL'], add: ['CHOWN', 'FOWNER'] })
  }
})

function named(list: unknown, name: string): unknown {
  return Array.isArray(list) ? list.find((each) => at(each, 'name') === name) : undefined
}

test('recreate: one node at a time, a short drain, no hand-over, and the ports are declared as they are bound', (t) => {
  for (const { daemonSet, pod, container, config, written } of recreate) {
    t.deepEqual(at(daemonSet, 'spec', 'updateStrategy'), {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 0, maxUnavailable: 1 },
    })
    t.true(Number(at(pod, 'terminationGracePeriodSeconds')) <= 30, 'meanwhile the node has no listener')
    t.is(at(written, 'handover'), undefined)
    const ports = at(container, 'ports')
    const declared = Array.isArray(ports) ? ports.map((port) => at(port, 'containerPort')) : []
    t.deepEqual(declared, [...config.listeners.map(({ port }) => port), config.admin.listen?.port])
  }
})

test('the drain is over 5 s before the kubelet kills', (t) => {
  for (const { name, pod, config } of overlays) {
    const graceMs = Number(at(pod, 'terminationGracePeriodSeconds')) * 1_000
    t.true(config.drain.deadlineMs <= graceMs - 5_000, name)
  }
})

test('locality is measured from the node that the kubelet names', (t) => {
  for (const { container, written } of overlays) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the program replaces it
    t.deepEqual(at(written, 'kubernetes'), { node: '${NODE_NAME}' })
    t.deepEqual(at(container, 'env', 0), {
      name: 'NODE_NAME',
      valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } },
    })
  }
})

test('otel-hostport: 4317 and 4318 of the node’s own address, and only this node’s collector', (t) => {
  const otel = overlays.find(({ name }) => name === 'otel-hostport')
  t.deepEqual(
    otel?.config.listeners.map(({ host, port }) => `${host} ${port}`),
    [`${env.HOST_IP} 4317`, `${env.HOST_IP} 4318`],
  )
  t.deepEqual(
    poolsOf(otel?.written).map(({ locality }) => locality),
    ['node-only', 'node-only'],
  )
})

test('the Pod is found by its DaemonSet', (t) => {
  for (const { daemonSet } of overlays) {
    t.deepEqual(
      at(daemonSet, 'spec', 'template', 'metadata', 'labels'),
      at(daemonSet, 'spec', 'selector', 'matchLabels'),
    )
  }
})

test('names of Services resolve from the network of the host', (t) => {
  for (const { pod } of overlays) t.is(at(pod, 'dnsPolicy'), 'ClusterFirstWithHostNet')
})

test('the user is the one of the image', (t) => {
  const user = stageOf(stages, null).instructions.find(({ keyword }) => keyword === 'USER')?.text ?? ''
  for (const { pod } of overlays) {
    const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile } = Object(at(pod, 'securityContext'))
    t.is(`${runAsUser}:${runAsGroup}`, user)
    t.true(runAsNonRoot)
    t.deepEqual(seccompProfile, { type: 'RuntimeDefault' })
  }
})

test('the container may bind low ports and nothing else; for transparent pools it may say who the client is', (t) => {
  for (const { name, container } of overlays) {
    const more = name === 'transparent' ? ['NET_RAW'] : []
    t.deepEqual(at(container, 'securityContext'), {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', ...more] },
    })
    t.is(at(container, 'command'), undefined, 'a shell before Node would lose the capability')
  }
})

test('the image carries the version of the package', (t) => {
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  for (const { container } of overlays) t.is(at(container, 'image'), `spliceway:${version}`)
  const [kustomization] = documentsOf(join(folder, 'base/kustomization.yaml'))
  t.is(at(kustomization, 'images', 0, 'newTag'), version)
})

test('readiness and startup ask the Pod’s own socket, on a volume that can be written', (t) => {
  for (const { container, pod, config } of overlays) {
    t.deepEqual(config.admin.socket, { kind: 'path', path: socket })
    const command = (probe: string) => at(container, probe, 'exec', 'command')
    t.deepEqual(command('readinessProbe'), ['spliceway', 'ready', '--socket', socket])
    t.deepEqual(command('startupProbe'), ['spliceway', 'status', '--socket', socket])
    t.regex(JSON.stringify(at(container, 'volumeMounts')), /\{"name":"run","mountPath":"\/run\/spliceway"\}/)
    t.regex(JSON.stringify(at(pod, 'volumes')), /\{"name":"run","emptyDir":/)
  }
})

test('liveness asks the Pod’s own socket too, seldom and patiently: each time is a start of Node', (t) => {
  for (const { container } of overlays) {
    t.deepEqual(at(container, 'livenessProbe', 'exec', 'command'), ['spliceway', 'live', '--socket', socket])
    t.is(at(container, 'livenessProbe', 'periodSeconds'), 30)
    t.is(at(container, 'livenessProbe', 'timeoutSeconds'), 10)
  }
})

test('a probe has time for a start of Node', (t) => {
  for (const { container } of overlays) {
    for (const probe of ['startupProbe', 'readinessProbe']) {
      t.true(Number(at(container, probe, 'timeoutSeconds')) >= 5, probe)
    }
    t.true(Number(at(container, 'readinessProbe', 'periodSeconds')) >= 10)
  }
})

test('the configuration is mounted as a folder, where the image looks for it, under a name without a hash', (t) => {
  for (const { container, pod, objects } of overlays) {
    const mounts = at(container, 'volumeMounts')
    const mount = Array.isArray(mounts) ? mounts.find((each) => at(each, 'name') === 'config') : undefined
    t.deepEqual(mount, { name: 'config', mountPath: '/etc/spliceway', readOnly: true })
    t.is(at(pod, 'volumes', 0, 'configMap', 'name'), at(only(objects, 'ConfigMap'), 'metadata', 'name'))
  }
})

test('memory is limited and the processor is not', (t) => {
  for (const { container } of overlays) {
    t.deepEqual(at(container, 'resources'), {
      requests: { cpu: '100m', memory: '192Mi' },
      limits: { memory: '1Gi' },
    })
  }
})

test('every node has one, before what else runs there, and the quota names that priority', (t) => {
  for (const { pod, objects } of overlays) {
    t.deepEqual(at(pod, 'tolerations'), [{ operator: 'Exists' }])
    t.is(at(pod, 'priorityClassName'), 'system-node-critical')
    const scope = at(only(objects, 'ResourceQuota'), 'spec', 'scopeSelector', 'matchExpressions', 0)
    t.deepEqual(at(scope, 'values'), [at(pod, 'priorityClassName')])
    // The server stores quantities in this form; any other is a difference that no apply ends.
    t.is(at(only(objects, 'ResourceQuota'), 'spec', 'hard', 'pods'), '5k')
  }
})

test('monitoring: Prometheus finds the metrics without declared ports, over an address that it reaches', (t) => {
  const service = only(monitoring, 'Service')
  const monitor = only(monitoring, 'ServiceMonitor')
  const pod = at(only(monitoring, 'DaemonSet'), 'spec', 'template')
  t.is(at(service, 'spec', 'clusterIP'), 'None')
  t.deepEqual(at(service, 'spec', 'selector'), at(pod, 'metadata', 'labels'))
  t.deepEqual(at(monitor, 'spec', 'selector', 'matchLabels'), at(service, 'metadata', 'labels'))
  t.is(at(monitor, 'spec', 'endpoints', 0, 'port'), at(service, 'spec', 'ports', 0, 'name'))
  const variables = at(pod, 'spec', 'containers', 0, 'env')
  t.deepEqual(Array.isArray(variables) ? variables.at(-1) : undefined, {
    name: 'ADMIN_HOST',
    value: '0.0.0.0',
  })
  const text = String(at(only(monitoring, 'ConfigMap'), 'data', 'spliceway.yaml'))
  const opened = parseConfig(text, {
    file: 'monitored',
    env: { ...env, ADMIN_HOST: '0.0.0.0' },
  })
  const listen = opened.kind === 'ok' ? opened.config.admin.listen : null
  t.deepEqual(listen, { host: '0.0.0.0', port: Number(at(service, 'spec', 'ports', 0, 'targetPort')) })
})

test('monitoring: every alert is about metrics that docs/observe.md has', (t) => {
  const page = readFileSync(join(checkout, 'docs/observe.md'), 'utf8')
  const metrics = new Set([...page.matchAll(/^\| `(spliceway_\w+)` \|/gm)].map(([, name]) => name))
  t.true(metrics.size >= 20)
  const rules = at(only(monitoring, 'PrometheusRule'), 'spec', 'groups', 0, 'rules')
  t.true(Array.isArray(rules) && rules.length >= 8)
  for (const rule of Array.isArray(rules) ? rules : []) {
    const used = String(at(rule, 'expr')).match(/\bspliceway_\w+/g) ?? []
    t.not(used.length, 0, String(at(rule, 'alert')))
    // Series of a histogram have its name and more.
    for (const name of used) t.true(metrics.has(name.replace(/_(bucket|count|sum)$/, '')), name)
  }
})

test('no object has a key that Kubernetes does not know', (t) => {
  // Schemas of Kubernetes let unknown keys pass, as the API server drops them; the types of the same package do not.
  const place = mkdtempSync(join(tmpdir(), 'spliceway-manifests-'))
  t.teardown(() => rmSync(place, { recursive: true }))
  symlinkSync(join(checkout, 'node_modules'), join(place, 'node_modules'))
  mkdirSync(join(place, 'src'))
  const objects = [...overlays.flatMap((each) => each.objects), ...monitoring]
  writeFileSync(join(place, 'src/objects.ts'), typed(objects))
  writeFileSync(join(place, 'src/mistake.ts'), typed([{ apiVersion: 'v1', kind: 'Namespace', metdata: {} }]))
  const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, module: 'nodenext', types: [] }
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
  const { stdout } = spawnSync(join(checkout, 'node_modules/.bin/tsc'), ['-p', place, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  const errors = stdout.split('\n').filter((line) => /error TS/.test(line))
  t.is(errors.length, 1, stdout)
  t.regex(errors[0] ?? '', /mistake\.ts.*metdata/)
})

const moduleOf: Readonly<Record<string, string>> = {
  'apps/v1': 'kubernetes-models/apps/v1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  'rbac.authorization.k8s.io/v1': 'kubernetes-models/rbac.authorization.k8s.io/v1',
  v1: 'kubernetes-models/v1',
}

/** A module in which each object is a constant of its kind's type. */
function typed(objects: readonly unknown[]): string {
  return objects
    .map((object, index) => {
      const kind = String(at(object, 'kind'))
      const type = `import('${moduleOf[String(at(object, 'apiVersion'))]}/${kind}').I${kind}`
      return `export const object${index}: ${type} = ${JSON.stringify(object)}`
    })
    .join('\n')
}
