/** @typedef {import('../../../core/status.ts').EndpointState} EndpointState */
/** @typedef {import('../finding.ts').Severity} Severity */
/** @typedef {'good' | 'note' | 'hurts' | 'blocks'} Tone */

import { h } from './element.mjs'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** `9,872` @param {number} value */
export function count(value) {
  return whole.format(value)
}

/** `0`, `0.3`, `12`: how often. @param {number} value */
export function rate(value) {
  return value > 0 && value < 9.95 ? value.toFixed(1) : count(value)
}

/** `812 B`, `3.4 MB`. @param {number} bytes */
export function size(bytes) {
  let value = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 999.5)
      return `${unit === 'B' || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${unit}`
    value /= 1000
  }
  return `${value.toFixed(1)} TB`
}

/** `2 endpoints` @param {number} value @param {string} noun */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** The two largest units: `3 d 4 h`, `12 s`. @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  /** @type {[string, number][]} */
  const units = [
    ['d', Math.floor(seconds / 86400)],
    ['h', Math.floor(seconds / 3600) % 24],
    ['min', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ]
  const first = units.findIndex(([, value]) => value > 0)
  if (first === -1) return '0 s'
  const said = units.slice(first, first + 2).filter(([, value]) => value > 0)
  return said.map(([unit, value]) => `${value} ${unit}`).join(' ')
}

/** `23:41:05`, as this browser tells the time. @param {number} atMs */
export function clock(atMs) {
  return new Date(atMs).toLocaleTimeString('en-GB')
}

/** @type {Readonly<Record<EndpointState, Tone>>} */
export const toneOf = {
  up: 'good',
  unknown: 'note',
  draining: 'note',
  suspect: 'hurts',
  silent: 'hurts',
  down: 'blocks',
  ejected: 'blocks',
  unresolved: 'blocks',
}

/** What a severity is called. @type {Readonly<Record<Severity, string>>} */
export const severityWord = { blocks: 'Broken', hurts: 'Impaired', note: 'Note' }

// Told apart by shape, whatever colours one sees: disc, ring, triangle, square with a cross.
const shapes = {
  good: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  note: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.2a3.8 3.8 0 1 1 0 7.6 3.8 3.8 0 0 1 0-7.6z',
  hurts: 'M8 1.5 15.2 14H.8z',
  blocks:
    'M2 2h12v12H2zm3.6 2.2L4.2 5.6 6.6 8l-2.4 2.4 1.4 1.4L8 9.4l2.4 2.4 1.4-1.4L9.4 8l2.4-2.4-1.4-1.4L8 6.6z',
}

/** A word with the shape and the colour of its tone. @param {Tone} tone @param {string} word */
export function state(tone, word) {
  return h('span', { class: `state ${tone}` }, mark(tone), word)
}

/** @param {Tone} tone */
export function mark(tone) {
  return h(
    'svg',
    { class: `mark ${tone}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    h('path', { d: shapes[tone], 'fill-rule': 'evenodd' }),
  )
}
