import test from 'ava'
import { RetryBudget } from '../../src/core/retry-budget.ts'

function taken(budget: RetryBudget, nowMs: number): number {
  let count = 0
  while (count < 1000 && budget.take(nowMs)) count++
  return count
}

/** 500 connections from 0 to 998 ms. */
function busy(): RetryBudget {
  const budget = new RetryBudget()
  for (let i = 0; i < 500; i++) budget.began(i * 2)
  return budget
}

test('with little traffic three retries may be under way at a time', (t) => {
  const budget = new RetryBudget()
  t.is(taken(budget, 0), 3)
  budget.end()
  t.is(taken(budget, 5_000), 1)
})

test('with more traffic a fifth of the connections of the last second may be retried', (t) => {
  t.is(taken(busy(), 999), 100)
})

test('what is recent fades over a second, without a step at its end', (t) => {
  t.is(taken(busy(), 1000), 100)
  t.is(taken(busy(), 1500), 50)
  t.is(taken(busy(), 60_000), 3)
})

test('retries that fail at once are held to the same number in a second', (t) => {
  const budget = busy()
  let allowed = 0
  for (let i = 0; i < 1000; i++) {
    if (!budget.take(999)) continue
    allowed++
    budget.end()
  }
  t.is(allowed, 100)
})

test('retries without an answer are held to it however long they last', (t) => {
  const budget = new RetryBudget()
  t.is(taken(budget, 0), 3)
  t.is(taken(budget, 60_000), 0)
})
