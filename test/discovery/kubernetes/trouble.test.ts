import test from 'ava'
import { failure } from '../../../src/discovery/kubernetes/failure.ts'
import { afterConfirmation, afterFailure, type Trouble } from '../../../src/discovery/kubernetes/trouble.ts'

const none: Trouble = { kind: 'none' }
const cut = failure('connection', 'reset')
const old = failure('expired', 'too old')
const watch = { request: 'watch', worked: false } as const
const good = { request: 'watch', worked: true } as const
const list = { request: 'list', worked: false } as const

test('a cut that a list mends is nothing', (t) => {
  const { trouble, tell } = afterFailure(none, cut, good, false, 5)
  t.false(tell)
  t.like(trouble, { kind: 'quiet', sinceMs: 5 })
  t.deepEqual(afterConfirmation(trouble, 'list'), none)
})

test('a failure before any confirmation is told, and so is one after a cut; each kind once', (t) => {
  t.true(afterFailure(none, cut, list, true, 5).tell)
  const quiet = afterFailure(none, cut, good, false, 5).trouble
  const told = afterFailure(quiet, cut, list, false, 6)
  t.true(told.tell)
  t.like(told.trouble, { kind: 'told', sinceMs: 5 })
  const again = afterFailure(told.trouble, cut, list, false, 7)
  t.false(again.tell)
  t.true(afterFailure(again.trouble, failure('forbidden', '403'), list, false, 8).tell)
  t.deepEqual(afterConfirmation(again.trouble, 'list'), none)
})

test('a watch that fails as it begins is doubtful; twice is told, and only an event of a watch ends it', (t) => {
  const quiet = afterFailure(none, old, watch, false, 5).trouble
  const doubt = afterConfirmation(quiet, 'list')
  t.is(doubt.kind, 'doubt')
  t.deepEqual(afterConfirmation(doubt, 'watch'), none)
  const told = afterFailure(doubt, old, watch, false, 9)
  t.true(told.tell)
  const listed = afterConfirmation(told.trouble, 'list')
  t.like(listed, { kind: 'told', sinceMs: 5 })
  t.false(afterFailure(listed, old, watch, false, 12).tell)
  t.deepEqual(afterConfirmation(listed, 'watch'), none)
})

test('what ends a watch that had worked is judged by itself', (t) => {
  const told = afterFailure(none, cut, list, true, 5).trouble
  t.like(afterFailure(told, cut, good, false, 90), { tell: false, trouble: { kind: 'quiet', sinceMs: 90 } })
})
