import test from 'ava'
import fc from 'fast-check'
import { type Member, Roster } from '../../src/core/roster.ts'

function seen(roster: Roster<Member>): Member[] {
  const all: Member[] = []
  roster.visit((member) => all.push(member))
  return all
}

test('a roster holds exactly who was added and not removed', (t) => {
  const anyMove = fc.record({ add: fc.boolean(), who: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(anyMove), (moves) => {
      const members: readonly Member[] = Array.from({ length: 10 }, () => ({ seat: -1 }))
      const model = new Set<Member>()
      const roster = new Roster<Member>()
      for (const { add, who } of moves) {
        const member = members[who]
        if (member === undefined || (add && model.has(member))) continue
        if (add) {
          roster.add(member)
          model.add(member)
        } else {
          roster.remove(member)
          model.delete(member)
        }
      }
      const present = seen(roster)
      t.is(roster.size, model.size)
      t.is(present.length, model.size)
      t.true(new Set(present).isSubsetOf(model) && model.isSubsetOf(new Set(present)))
      for (const member of members) t.is(member.seat === -1, !model.has(member))
    }),
  )
})

test('whoever stays is visited when others are removed meanwhile, whoever removes them', (t) => {
  const count = 6
  for (let remover = 0; remover < count; remover++) {
    for (let removed = 0; removed < count; removed++) {
      const roster = new Roster<Member>()
      const members = Array.from({ length: count }, () => ({ seat: -1 }))
      for (const member of members) roster.add(member)
      const visited = new Set<Member>()
      roster.visit((member) => {
        visited.add(member)
        const gone = members[removed]
        if (member === members[remover] && gone !== undefined) roster.remove(gone)
      })
      for (const member of seen(roster)) t.true(visited.has(member))
    }
  }
})

test('removing who is not there changes nothing', (t) => {
  const roster = new Roster<Member>()
  const [present, stranger] = [{ seat: -1 }, { seat: -1 }]
  roster.add(present)
  roster.remove(stranger)
  t.is(roster.size, 1)
})
