import test from 'ava'
import { type Case, Fault, pass } from '../../conformance/case.ts'
import { Judge } from '../../conformance/judge.ts'
import { commandPeer } from '../../conformance/peers/command.ts'
import { direct } from '../../conformance/peers/direct.ts'
import { Sockets } from '../../conformance/sockets.ts'

const about = { title: '', why: '' }
const sockets = new Sockets()

test('a case says what it saw, and one that throws a Fault fails with its message', async (t) => {
  const good: Case = { id: 'good', ...about, run: async () => pass('fine') }
  const bad: Case = {
    id: 'bad',
    ...about,
    run: async () => {
      throw new Fault('nothing came')
    },
  }
  const verdicts = await new Judge(direct, sockets).judge([good, bad], () => {})
  t.deepEqual(
    [...verdicts],
    [
      ['good', { kind: 'pass', seen: 'fine' }],
      ['bad', { kind: 'fail', seen: 'nothing came' }],
    ],
  )
})

test('a case that does not end fails when its time is over', async (t) => {
  const endless: Case = { id: 'endless', ...about, limitMs: 100, run: () => new Promise(() => {}) }
  const verdicts = await new Judge(direct, sockets).judge([endless], () => {})
  t.deepEqual(verdicts.get('endless'), { kind: 'fail', seen: 'not over within 0.1 s' })
})

test('a mistake in a case is no verdict', async (t) => {
  const wrong: Case = {
    id: 'wrong',
    ...about,
    run: async () => {
      throw new TypeError('a bug')
    },
  }
  await t.throwsAsync(
    new Judge(direct, sockets).judge([wrong], () => {}),
    { message: 'a bug' },
  )
})

test('a peer that does not start says why', async (t) => {
  const needs: Case = {
    id: 'needs',
    ...about,
    async run(ground) {
      await ground.pair()
      return pass('')
    },
  }
  const peer = commandPeer('sh -c "echo no such luck >&2; exit 1" {listen} {connect}')
  await t.throwsAsync(
    new Judge(peer, sockets).judge([needs], () => {}),
    { message: /no such luck/ },
  )
})
