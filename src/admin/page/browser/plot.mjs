import { h } from './element.mjs'
import { clock } from './wording.mjs'

/**
 * @typedef {object} Plot
 * @property {string} id
 * @property {string} label
 * @property {readonly (number | null)[]} values the oldest first
 * @property {number} [now] what is newer than the last value
 * @property {(value: number) => string} text
 * @property {string} [unit] behind the value
 * @property {boolean} [small]
 * @property {boolean} [alarm] anything but zero is bad
 * @property {readonly boolean[]} [troubled] where something was wrong
 */

/**
 * @typedef {object} PlotView
 * @property {number} lastMs when the last values were taken
 * @property {number} everyMs
 * @property {ReadonlyMap<string, number>} cursors which value is read off, by plot, counted from the last
 */

const high = 40

/**
 * A line of the last 15 minutes with its latest value in words. It has the focus to be read value by value:
 * arrow keys, Home and End.
 * @param {Plot} plot
 * @param {PlotView} view
 */
export function plot({ id, label, values, now, text, unit, small, alarm, troubled }, view) {
  const back = Math.min(view.cursors.get(id) ?? 0, values.length - 1)
  const at = values.length - 1 - back
  const value = (back === 0 ? now : undefined) ?? values[at] ?? null
  const said = value === null ? 'not known' : `${text(value)}${unit === undefined ? '' : ` ${unit}`}`
  const when = back === 0 ? 'now' : clock(view.lastMs - back * view.everyMs)
  const top = Math.max(0, now ?? 0, ...values.map((each) => each ?? 0))
  const bad = alarm && values.some((each) => (each ?? 0) > 0)
  return h(
    'div',
    {
      class: `plot${small ? ' small' : ''}${bad ? ' alarm' : ''}`,
      'data-key': id,
      'data-plot': id,
      'data-length': values.length,
      tabindex: 0,
      role: 'slider',
      'aria-readonly': 'true',
      'aria-label': `${label}, last 15 minutes`,
      'aria-valuemin': 1 - values.length,
      'aria-valuemax': 0,
      'aria-valuenow': -back,
      'aria-valuetext': `${said}, ${when}; highest ${text(top)}`,
    },
    small
      ? null
      : h(
          'div',
          { class: 'reading' },
          h('span', { class: 'label' }, label),
          h(
            'span',
            { class: 'value' },
            value === null ? '–' : text(value),
            unit ? h('span', { class: 'unit' }, ` ${unit}`) : null,
          ),
        ),
    drawing(now === undefined ? values : values.with(-1, now), top, back === 0 ? null : at, troubled),
    small
      ? back === 0
        ? null
        : h('div', { class: 'scale' }, h('span', {}, `${said}, ${when}`))
      : h(
          'div',
          { class: 'scale' },
          h('span', {}, back === 0 ? '15 min ago' : `at ${when}`),
          h('span', {}, `max ${text(top)}`),
        ),
  )
}

/**
 * @param {Plot['values']} values
 * @param {number} top
 * @param {number | null} cursor
 * @param {Plot['troubled']} troubled
 */
function drawing(values, top, cursor, troubled) {
  const wide = values.length - 1
  /** @param {number} value */
  const y = (value) => (top === 0 ? high - 1 : high - 1 - (value / top) * (high - 3)).toFixed(2)
  const points = values.flatMap((value, x) => (value === null ? [] : [`${x},${y(value)}`]))
  const first = values.findIndex((value) => value !== null)
  return h(
    'svg',
    { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    h('line', { class: 'ground', x1: 0, x2: wide, y1: high - 0.5, y2: high - 0.5 }),
    ...spans(troubled ?? []).map(([from, to]) => {
      const x = Math.max(0, from - 0.5)
      return h('rect', { class: 'trouble', x, y: 0, width: Math.min(wide, to + 0.5) - x, height: high })
    }),
    points.length > 1
      ? h('path', { class: 'area', d: `M${first},${high}L${points.join('L')}L${wide},${high}z` })
      : null,
    points.length > 1 ? h('polyline', { class: 'curve', points: points.join(' ') }) : null,
    cursor === null ? null : h('line', { class: 'cursor', x1: cursor, x2: cursor, y1: 0, y2: high }),
  )
}

/**
 * The first and the last of each row of trues: as one shape, because seams would show between several.
 * @param {readonly boolean[]} flags
 */
function spans(flags) {
  /** @type {[number, number][]} */
  const found = []
  flags.forEach((flag, at) => {
    const last = found.at(-1)
    if (!flag) return
    if (last !== undefined && last[1] === at - 1) last[1] = at
    else found.push([at, at])
  })
  return found
}

/**
 * Several rows of values, added up. What nobody knows stays unknown.
 * @param {readonly (readonly (number | null)[])[]} rows
 * @param {(sum: number) => number} [scale]
 * @returns {(number | null)[]}
 */
export function total(rows, scale = (sum) => sum) {
  const length = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length }, (_, at) => {
    const known = rows.map((row) => row[at] ?? null).filter((value) => value !== null)
    return known.length === 0 ? null : scale(known.reduce((sum, value) => sum + value, 0))
  })
}
