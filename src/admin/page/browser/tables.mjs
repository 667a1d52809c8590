/** @typedef {import('../overview.ts').Overview} Overview */
/** @typedef {import('../../../core/status.ts').ListenerStatus} Listener */
/** @typedef {import('../../../core/status.ts').PoolStatus} Pool */
/** @typedef {import('../../../core/status.ts').EndpointStatus} Endpoint */
/** @typedef {import('./element.mjs').Child} Child */
/** @typedef {import('./plot.mjs').PlotView} PlotView */
/** @typedef {import('./wording.mjs').Tone} Tone */

import { h } from './element.mjs'
import { plot } from './plot.mjs'
import { anchor } from './sections.mjs'
import { count, counted, duration, rate, state, toneOf } from './wording.mjs'

/** Of the endpoints that are up, so many are shown at once; what is not up always is. */
const mostUp = 8
/** What a narrow page leaves out. */
const none = '–'
/** A pool of thousands, asked for by a single letter. */
const mostFound = 200

/**
 * Cells know their column's name: on a narrow page each row is a block, and the names stand in it.
 * @param {string} label
 * @param {readonly { name: string, number?: boolean }[]} columns
 * @param {readonly { key: string, id?: string, cells: readonly (Child | readonly Child[])[] }[]} rows
 */
function table(label, columns, rows) {
  return h(
    'table',
    { role: 'table', 'aria-label': label },
    h(
      'thead',
      { role: 'rowgroup' },
      h(
        'tr',
        { role: 'row' },
        columns.map(({ name, number }) =>
          h('th', { scope: 'col', role: 'columnheader', class: number ? 'number' : null }, name),
        ),
      ),
    ),
    h(
      'tbody',
      { role: 'rowgroup' },
      rows.map(({ key, id, cells }) =>
        h(
          'tr',
          { role: 'row', 'data-key': key, id },
          cells.map((cell, at) => {
            const { name = '', number } = columns[at] ?? {}
            const children = Array.isArray(cell) ? cell : [cell]
            const empty = children.every((child) => child === null || child === '' || child === none)
            return h(
              'td',
              {
                role: 'cell',
                'data-column': name,
                class: [number ? 'number' : '', empty ? 'empty' : ''].join(' ').trim() || null,
              },
              ...children,
            )
          }),
        ),
      ),
    ),
  )
}

/**
 * @param {Overview} overview
 * @param {PlotView} view
 */
export function listeners({ status, past }, view) {
  const seconds = past.everyMs / 1000
  const columns = [
    { name: 'State' },
    { name: 'Listener' },
    { name: 'Address' },
    { name: 'Goes to' },
    { name: 'Connections', number: true },
    { name: 'New / s', number: true },
    { name: 'Failed', number: true },
    { name: 'Refused', number: true },
    { name: 'Last 15 min' },
  ]
  const sorted = status.listeners.toSorted(
    (a, b) => rank(listenerState(a, status.state)) - rank(listenerState(b, status.state)),
  )
  const rows = sorted.map((each) => {
    const known = past.listeners.find(({ name }) => name === each.name)
    return {
      key: each.name,
      id: anchor({ kind: 'listener', name: each.name }),
      cells: [
        state(...listenerState(each, status.state)),
        h('strong', {}, each.name),
        h('span', { class: 'address' }, each.address),
        goesTo(each),
        count(each.active),
        known === undefined ? '' : rate((known.accepted.at(-1) ?? 0) / seconds),
        amounts(each.failed),
        amounts(each.refused),
        known === undefined
          ? ''
          : plot(
              {
                id: `listener ${each.name}`,
                label: `Connections of listener ${each.name}`,
                values: known.active,
                text: count,
                small: true,
              },
              view,
            ),
      ],
    }
  })
  return h('section', { id: 'listeners' }, h('h2', {}, 'Listeners'), table('Listeners', columns, rows))
}

/**
 * @param {Listener} listener
 * @param {Overview['status']['state']} program
 * @returns {[Tone, string]}
 */
function listenerState({ address, full, maxConnections, active }, program) {
  if (address === 'closed') return [program === 'serving' ? 'blocks' : 'note', 'closed']
  if (full !== null) return ['blocks', 'full']
  if (program !== 'serving') return ['note', program]
  if (maxConnections !== null && active >= 0.8 * maxConnections) return ['hurts', 'nearly full']
  return ['good', 'open']
}

/**
 * What is bad comes first; what is alike stays in the order of the configuration.
 * @param {readonly [Tone, ...unknown[]]} of
 */
function rank([tone]) {
  return { blocks: 0, hurts: 1, note: 2, good: 3 }[tone]
}

/** @param {Listener} listener */
function goesTo({ pool, routes }) {
  const link = pool === null ? null : h('a', { href: `#${anchor({ kind: 'pool', name: pool })}` }, pool)
  if (routes === 0) return link ?? ''
  return [counted(routes, 'route'), link === null ? '' : ', else ', link]
}

/** How many, and of which kind. @param {Readonly<Record<string, number>>} counts */
function amounts(counts) {
  const all = Object.entries(counts)
  if (all.length === 0) return none
  const sum = all.reduce((total, [, each]) => total + each, 0)
  return [
    count(sum),
    h('span', { class: 'more' }, all.map(([name, each]) => `${name} ${count(each)}`).join(', ')),
  ]
}

/**
 * @param {Overview} overview
 * @param {PlotView & { filter: string }} view
 */
export function pools({ status, past }, view) {
  const many = status.pools.reduce((sum, { endpoints }) => sum + endpoints.length, 0) > mostUp
  return h(
    'section',
    { id: 'pools' },
    h(
      'div',
      { class: 'bar' },
      h('h2', {}, 'Pools'),
      many
        ? h('input', {
            type: 'search',
            id: 'filter',
            placeholder: 'Find an endpoint',
            'aria-label': 'Find an endpoint',
            autocomplete: 'off',
          })
        : null,
    ),
    status.pools
      .toSorted((a, b) => rank(poolState(a)) - rank(poolState(b)))
      .map((pool) =>
        one(
          pool,
          past.pools.find(({ name }) => name === pool.name),
          view,
        ),
      ),
  )
}

/**
 * @param {Pool} pool
 * @param {Overview['past']['pools'][number] | undefined} known
 * @param {PlotView & { filter: string }} view
 */
function one(pool, known, view) {
  const { name, endpoints, balance, discovery } = pool
  const active = endpoints.reduce((sum, each) => sum + each.active, 0)
  const wanted = view.filter.toLowerCase()
  const found = endpoints
    .filter((each) =>
      `${name} ${each.endpoint} ${each.name ?? ''} ${each.state}`.toLowerCase().includes(wanted),
    )
    .toSorted((a, b) => rank([toneOf[a.state]]) - rank([toneOf[b.state]]))
  const bad = found.filter((each) => each.state !== 'up')
  const good = found.filter((each) => each.state === 'up')
  const shown =
    wanted === '' ? [...bad.slice(0, mostFound), ...good.slice(0, mostUp)] : found.slice(0, mostFound)
  const folded = wanted === '' ? good.slice(mostUp) : []
  const columns = columnsFor(endpoints)
  return h(
    'section',
    { class: 'pool', id: anchor({ kind: 'pool', name }), 'data-key': name },
    h(
      'div',
      { class: 'bar' },
      h(
        'div',
        {},
        h('h3', {}, name),
        h(
          'p',
          { class: 'summary' },
          state(...poolState(pool)),
          `, ${counted(active, 'connection')}, ${balance}`,
        ),
        discovery === null ? null : h('p', { class: 'summary' }, found_by(discovery)),
      ),
      known === undefined
        ? null
        : plot(
            {
              id: `pool ${name}`,
              label: `Connections of pool ${name}`,
              values: known.active,
              now: active,
              text: count,
              small: true,
              troubled: known.up.map((value, at) => value !== null && value < (known.endpoints[at] ?? 0)),
            },
            view,
          ),
    ),
    shown.length > 0
      ? table(
          `Endpoints of ${name}`,
          columns,
          shown.map((each) => row(each, columns)),
        )
      : null,
    found.length > shown.length + folded.length
      ? h('p', { class: 'more' }, `and ${count(found.length - shown.length - folded.length)} more`)
      : null,
    wanted !== '' && found.length === 0 ? h('p', { class: 'more' }, 'none that fits') : null,
    folded.length > 0
      ? h(
          'details',
          { 'data-key': 'folded' },
          h('summary', {}, `${count(folded.length)} more are up`),
          table(
            `More endpoints of ${name}`,
            columns,
            folded.map((each) => row(each, columns)),
          ),
        )
      : null,
  )
}

/** @param {Pool} pool @returns {[Tone, string]} */
function poolState({ endpoints, waiting, panic, discovery }) {
  const up = endpoints.filter((each) => each.state === 'up').length
  const words = `${up} of ${counted(endpoints.length, 'endpoint')} up`
  if (endpoints.length === 0) return ['blocks', 'no endpoint']
  if (panic) return ['blocks', `${words}, all are tried`]
  if (waiting) return ['blocks', `${words}, clients wait`]
  const tones = endpoints.map((each) => toneOf[each.state])
  if (discovery?.failing || tones.some((tone) => tone === 'blocks' || tone === 'hurts'))
    return ['hurts', words]
  return [up === endpoints.length ? 'good' : 'note', words]
}

/** @param {NonNullable<Pool['discovery']>} discovery */
function found_by({ source, state: known, reason, failing, ageMs }) {
  if (known === 'none') return [state('blocks', 'not found yet'), ` ${source}: ${reason}`]
  if (failing !== null)
    return [state('hurts', `not confirmed for ${duration(failing.forMs)}`), ` ${source}: ${failing.reason}`]
  return `found by ${source}, confirmed ${duration(ageMs)} ago${reason === '' ? '' : `: ${reason}`}`
}

/** Columns that say the same of every endpoint are left out. @param {readonly Endpoint[]} endpoints */
function columnsFor(endpoints) {
  /** @param {(each: Endpoint) => unknown} of */
  const differ = (of) => new Set(endpoints.map(of)).size > 1
  return [
    { name: 'State' },
    { name: 'Endpoint' },
    { name: 'For', number: true },
    { name: 'Connections', number: true },
    ...(differ(({ priority }) => priority) ? [{ name: 'Priority', number: true }] : []),
    ...(differ(({ weight }) => weight) ? [{ name: 'Weight', number: true }] : []),
    { name: 'Because' },
  ]
}

/**
 * @param {Endpoint} endpoint
 * @param {ReturnType<typeof columnsFor>} columns
 */
function row({ endpoint, name, state: is, forMs, active, priority, weight, reason }, columns) {
  /** @type {Readonly<Record<string, Child | readonly Child[]>>} */
  const cells = {
    State: state(toneOf[is], is),
    Endpoint: [
      h('span', { class: 'address' }, endpoint),
      name === null ? null : h('span', { class: 'more' }, name),
    ],
    For: duration(forMs),
    Connections: count(active),
    Priority: count(priority),
    Weight: count(weight),
    Because: reason,
  }
  return { key: endpoint, cells: columns.map((column) => cells[column.name] ?? '') }
}
