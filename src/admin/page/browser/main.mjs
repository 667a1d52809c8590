/** @typedef {import('../overview.ts').Overview} Overview */

import { h, patch } from './element.mjs'
import { facts, findingList, footer, heading, limits, plots, predecessors } from './sections.mjs'
import { listeners, pools } from './tables.mjs'

const refreshMs = 5_000
/** A busy machine may take this long to answer; what takes longer is told. */
const answerMs = 10_000

const page = document.getElementById('page')
/** @type {Overview | null} */
let latest = null
/** When it came, by performance.now(). */
let cameMs = 0
let lost = false
let asking = false
let paused = false
let filter = ''
/** @type {Map<string, number>} */
const cursors = new Map()
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

async function refresh() {
  if (asking) return
  asking = true
  clearTimeout(timer)
  try {
    const answer = await fetch('/overview', { cache: 'no-store', signal: AbortSignal.timeout(answerMs) })
    if (!answer.ok) throw new Error(`${answer.status}`)
    latest = await answer.json()
    cameMs = performance.now()
    lost = false
  } catch {
    lost = true
  }
  asking = false
  draw()
  if (!paused && document.visibilityState === 'visible') timer = setTimeout(refresh, refreshMs)
}

function draw() {
  if (page === null) return
  if (latest === null) {
    patch(
      page,
      h(
        'div',
        { id: 'page' },
        h('p', { class: 'wait' }, lost ? 'No answer. It is asked again every 5 s.' : ''),
      ),
    )
    return
  }
  const { past, atMs, findings } = latest
  const view = { cursors, filter, lastMs: atMs - past.ageMs, everyMs: past.everyMs }
  const lostMs = lost ? performance.now() - cameMs : null
  const parts = [
    heading(latest, { paused, lostMs }),
    h(
      'main',
      {},
      findingList(latest),
      plots(latest, view),
      predecessors(latest),
      listeners(latest, view),
      pools(latest, view),
      limits(latest),
      facts(latest),
    ),
    footer(),
  ]
  patch(page, h('div', { id: 'page' }, parts))
  const wrong = findings.filter(({ severity }) => severity !== 'note').length
  document.title = lost ? '(no answer) spliceway' : wrong > 0 ? `(${wrong}) spliceway` : 'spliceway'
}

function pauseOrContinue() {
  paused = !paused
  if (paused) {
    clearTimeout(timer)
    draw()
  } else refresh()
}

/** The plot that an event is about. @param {EventTarget | null} target */
function plotOf(target) {
  return target instanceof Element ? target.closest('[data-plot]') : null
}

/**
 * @param {Element} plot
 * @param {number | null} back values from the last one; null: nobody reads it
 */
function point(plot, back) {
  const id = plot.getAttribute('data-plot') ?? ''
  const most = Number(plot.getAttribute('data-length')) - 1
  if (back === null || back <= 0) cursors.delete(id)
  else cursors.set(id, Math.min(back, most))
  draw()
}

document.addEventListener('click', ({ target }) => {
  if (target instanceof Element && target.id === 'pause') pauseOrContinue()
})

document.addEventListener('input', ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== 'filter') return
  filter = target.value.trim()
  draw()
})

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return
  const { key, target } = event
  if (target instanceof HTMLInputElement) {
    if (key !== 'Escape') return
    target.value = filter = ''
    target.blur()
    draw()
    return
  }
  const plot = plotOf(target)
  if (plot !== null) {
    const back = cursors.get(plot.getAttribute('data-plot') ?? '') ?? 0
    const moved = new Map([
      ['ArrowLeft', back + 1],
      ['ArrowRight', back - 1],
      ['Home', Infinity],
      ['End', 0],
      ['Escape', 0],
    ]).get(key)
    if (moved !== undefined) {
      event.preventDefault()
      point(plot, moved)
      return
    }
  }
  const search = document.getElementById('filter')
  if (key === 'p') pauseOrContinue()
  else if (key === '/' && search !== null) {
    event.preventDefault()
    search.focus()
  }
})

document.addEventListener('pointermove', ({ target, clientX }) => {
  const plot = plotOf(target)
  const box = plot?.querySelector('svg')?.getBoundingClientRect()
  if (plot === null || box === undefined || box.width === 0) return
  const most = Number(plot.getAttribute('data-length')) - 1
  point(plot, Math.round(most * (1 - (clientX - box.left) / box.width)))
})

document.addEventListener('pointerout', ({ target, relatedTarget }) => {
  const plot = plotOf(target)
  if (plot !== null && plotOf(relatedTarget) !== plot) point(plot, null)
})

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && !paused) refresh()
})

refresh()
