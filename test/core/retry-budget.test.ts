import test from 'ava'
import { RetryBudget } from '../../src/core/retry-budget.ts'

function taken(budget: RetryBudget, nowMs: number): number {
  let count = 0
  while (count < 1000 && budget.take(nowMs)) count++
  return count
}

test('with little traffic three retries may be under way at a time', (t) => {
  const budget = new RetryBudget()
  t.is(taken(budget, 0), 3)
  budget.end()
  t.is(taken(budget, 0), 1)
})

test('with more traffic a fifth of the connections of the last second may be retried', (t) => {
  const budget = new RetryBudget()
  for (let i = 0; i < 500; i++) budget.began(i * 2)
  t.is(taken(budget, 999), 100)
})

test('what is recent fades over a second, without a step at its end', (t) => {
  const budget = new RetryBudget()
  for (let i = 0; i < 500; i++) budget.began(i * 2)
  t.is(taken(budget, 1000), 100)
  const later = new RetryBudget()
  for (let i = 0; i < 500; i++) later.began(i * 2)
  t.is(taken(later, 1500), 50)
  const muchLater = new RetryBudget()
  for (let i = 0; i < 500; i++) muchLater.began(i * 2)
  t.is(taken(muchLater, 60_000), 3)
})
