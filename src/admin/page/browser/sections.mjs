/** @typedef {import('../overview.ts').Overview} Overview */
/** @typedef {import('../finding.ts').Finding} Finding */
/** @typedef {import('../finding.ts').About} About */
/** @typedef {import('./plot.mjs').PlotView} PlotView */

import { h } from './element.mjs'
import { plot, total } from './plot.mjs'
import { clock, count, counted, duration, mark, rate, severityWord, size, state } from './wording.mjs'

/**
 * What somebody has to know first: is something wrong, and how old is what is shown.
 * @param {Overview} overview
 * @param {{ paused: boolean, lostMs: number | null }} view `lostMs`: for how long nobody has answered
 */
export function heading({ status, findings, atMs }, { paused, lostMs }) {
  const wrong = findings.filter(({ severity }) => severity !== 'note')
  const tone = findings.find(({ severity }) => severity !== 'note')?.severity ?? 'good'
  const endpoints = status.pools.flatMap((pool) => pool.endpoints)
  const up = endpoints.filter(({ state }) => state === 'up').length
  const verdict =
    wrong.length === 0
      ? 'Nothing is wrong'
      : `${counted(wrong.length, 'thing')} ${wrong.length === 1 ? 'is' : 'are'} wrong`
  return h(
    'header',
    { class: lostMs === null ? null : 'lost' },
    h(
      'div',
      { class: 'bar' },
      h('p', { class: 'where' }, h('strong', {}, 'spliceway'), ` on ${location.host}`),
      h(
        'p',
        { class: 'age' },
        lostMs === null ? `${paused ? 'paused at' : 'as of'} ${clock(atMs)}` : null,
        h(
          'button',
          { type: 'button', id: 'pause', 'aria-pressed': String(paused) },
          paused ? 'Continue' : 'Pause',
        ),
      ),
    ),
    lostMs === null
      ? null
      : h(
          'p',
          { class: 'lost-note', role: 'alert', 'data-key': 'lost' },
          mark('blocks'),
          `No answer for ${duration(lostMs)}. What is below is of ${clock(atMs)}; the process may be gone: look on its host.`,
        ),
    h('h1', { 'aria-live': 'polite', 'data-tone': tone }, mark(tone), verdict),
    h(
      'p',
      { class: 'lead' },
      `${word(status.state)} for ${duration(status.uptimeMs)}. ${up} of ${counted(endpoints.length, 'endpoint')} up, ` +
        `${count(status.connections.active)} of ${counted(status.connections.limit, 'connection')} in use.`,
    ),
  )
}

/** @param {Overview['status']['state']} word */
function word(word) {
  return { serving: 'Serving', starting: 'Starting', draining: 'Draining' }[word]
}

/** @param {Overview} overview */
export function findingList({ findings }) {
  if (findings.length === 0) return null
  return h(
    'section',
    { class: 'findings', 'aria-label': 'What is wrong', 'data-key': 'findings' },
    h(
      'ol',
      {},
      findings.map((each) =>
        h(
          'li',
          { 'data-key': `${each.severity} ${JSON.stringify(each.about)} ${each.remedy}` },
          state(each.severity, severityWord[each.severity]),
          h(
            'div',
            {},
            h('p', { class: 'what' }, h('a', { href: `#${anchor(each.about)}` }, each.what)),
            each.why === '' ? null : h('p', { class: 'why' }, each.why),
            h('p', { class: 'remedy' }, each.remedy),
            each.command === null ? null : h('p', {}, command(each.command)),
          ),
        ),
      ),
    ),
  )
}

/** Lines break between words only: `--` apart from its name would be another command. @param {string} text */
function command(text) {
  const words = text.split(' ').flatMap((word, at) => [at === 0 ? '' : ' ', h('span', {}, word)])
  return h('code', { class: 'command' }, words)
}

/** The id of a part of the page. @param {About} about */
export function anchor(about) {
  return 'name' in about ? `${about.kind}-${encodeURIComponent(about.name)}` : about.kind
}

/**
 * @param {Overview} overview
 * @param {PlotView} view
 */
export function plots({ past, status }, view) {
  const seconds = past.everyMs / 1000
  const of = (/** @type {'active' | 'accepted' | 'failed' | 'bytes'} */ name) =>
    past.listeners.map((each) => each[name])
  return h(
    'section',
    { class: 'plots', 'aria-label': 'The last 15 minutes' },
    plot(
      {
        id: 'active',
        label: 'Connections',
        values: total(of('active')),
        now: status.connections.active,
        text: count,
      },
      view,
    ),
    plot(
      {
        id: 'new',
        label: 'New connections',
        values: total(of('accepted'), (sum) => sum / seconds),
        text: rate,
        unit: '/ s',
      },
      view,
    ),
    plot(
      {
        id: 'bytes',
        label: 'Traffic',
        values: total(of('bytes'), (sum) => sum / seconds),
        text: size,
        unit: '/ s',
      },
      view,
    ),
    plot(
      {
        id: 'failed',
        label: 'Failed connections',
        values: total(of('failed')),
        text: count,
        unit: 'in 10 s',
        alarm: true,
      },
      view,
    ),
  )
}

/**
 * Of a process that handed over to this one, what it told last.
 * @typedef {object} Predecessor
 * @property {number} pid
 * @property {string} version
 * @property {number} connections
 * @property {number | null} endsInMs
 * @property {number} heardMsAgo
 */

/** One that tells every second and was not heard for so long hangs. */
const quietMs = 10_000

/** Processes whose place this one took, as long as they carry connections. @param {Overview} overview */
export function predecessors({ status, atMs }) {
  /** @type {{ predecessors?: readonly Predecessor[] }} */
  const { predecessors = [] } = /** @type {object} */ (status)
  if (predecessors.length === 0) return null
  return h(
    'section',
    { id: 'predecessors', 'data-key': 'predecessors' },
    h('h2', {}, 'The process before'),
    predecessors.map(({ pid, version, connections, endsInMs, heardMsAgo }) =>
      h(
        'p',
        { 'data-key': String(pid) },
        heardMsAgo > quietMs
          ? state('hurts', `not heard for ${duration(heardMsAgo)}`)
          : state('note', 'drains'),
        ` pid ${pid}, ${version}: ${counted(connections, 'connection')} left`,
        endsInMs === null ? '' : `, until ${clock(atMs + endsInMs)} at the latest`,
        '. New connections come here.',
      ),
    ),
  )
}

/** @param {Overview} overview */
export function limits({ status }) {
  const own = status.listeners.filter(({ maxConnections }) => maxConnections !== null)
  const { active, limit, limitedBy } = status.connections
  return h(
    'section',
    { id: 'limits' },
    h('h2', {}, 'Limits'),
    h(
      'ul',
      { class: 'limits' },
      bar('All listeners', active, limit, limitedBy),
      own.map(({ name, active, maxConnections }) =>
        bar(`Listener ${name}`, active, maxConnections ?? 0, 'maxConnections of the listener'),
      ),
    ),
  )
}

/**
 * @param {string} name
 * @param {number} used
 * @param {number} most
 * @param {string} from
 */
function bar(name, used, most, from) {
  const part = most === 0 ? 0 : Math.min(1, used / most)
  const tone = part >= 1 ? 'blocks' : part >= 0.8 ? 'hurts' : 'good'
  return h(
    'li',
    { 'data-key': name },
    h('span', { class: 'name' }, name),
    h(
      'svg',
      { class: `bar ${tone}`, viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('rect', { class: 'room', width: 100, height: 6 }),
      h('rect', { class: 'used', width: Math.max(used > 0 ? 0.5 : 0, part * 100), height: 6 }),
    ),
    h('span', { class: 'amount' }, `${count(used)} of ${count(most)}`),
    h('span', { class: 'from' }, from),
  )
}

/** @param {Overview} overview */
export function facts({ status, ready }) {
  const { version, node, pid, plane, workers, config } = status
  const { lastReload, loadedMsAgo, source } = config
  const quiet = workers.filter(({ alive, heartbeatAgeMs }) => !alive || heartbeatAgeMs >= 5000)
  const restarts = workers.reduce((sum, each) => sum + each.restarts, 0)
  return h(
    'section',
    { id: 'program' },
    h('h2', {}, 'Program'),
    h(
      'dl',
      {},
      fact('Ready', ready.ok ? state('good', 'yes') : state('blocks', 'no'), ready.reasons.join('; ')),
      fact(
        'Workers',
        state(
          quiet.length === 0 ? 'good' : 'blocks',
          `${workers.length - quiet.length} of ${workers.length} alive`,
        ),
        restarts === 0 ? '' : `restarted ${counted(restarts, 'time')}`,
        'workers',
      ),
      fact('Configuration', source, `in use for ${duration(loadedMsAgo)}`, 'configuration'),
      fact('Last reload', lastReload.successful ? state('good', 'taken') : refused(lastReload.message), ''),
      fact('Plane', plane.name, plane.why),
      fact('Version', `${version}, Node ${node.replace(/^v/, '')}`, `pid ${pid}`),
    ),
  )
}

/** A configuration that was not taken, and its problems as they were written. @param {string} message */
function refused(message) {
  const lines = message.trim().split('\n')
  return h(
    'div',
    {},
    state('hurts', 'refused'),
    lines.map((line) => h('code', { class: 'line' }, line)),
  )
}

/**
 * @param {string} name
 * @param {string | Element} value
 * @param {string} more
 * @param {string} [id]
 */
function fact(name, value, more, id) {
  return h(
    'div',
    { id },
    h('dt', {}, name),
    h('dd', {}, value, more === '' ? null : h('span', { class: 'more' }, more)),
  )
}

export function footer() {
  const links = ['/readyz', '/livez', '/status', '/metrics']
  return h(
    'footer',
    {},
    h(
      'p',
      {},
      'This page shows counts and changes nothing. Single connections: ',
      h('code', {}, 'spliceway connections'),
      ' on the host. For programs: ',
      links.flatMap((path, at) => [at === 0 ? '' : ', ', h('a', { href: path }, path)]),
      '.',
    ),
    h(
      'p',
      { class: 'keys' },
      h('kbd', {}, 'p'),
      ' pauses this page and continues, ',
      h('kbd', {}, '/'),
      ' looks for an endpoint, ',
      h('kbd', {}, '←'),
      ' ',
      h('kbd', {}, '→'),
      ' read a plot that has the focus.',
    ),
  )
}
