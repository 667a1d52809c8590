import test from 'ava'
import { becomeUser } from '../helpers/user.ts'
import { contract } from '../plane/contract/contract.ts'

// As root there is no end to the pages of pipes and to much else: the whole contract once more as somebody.
const obstacle = becomeUser()
if (obstacle === null) contract('splice', { accepting: 'pauses', variant: { pipesOnLoopback: true } })
else test.skip(`the contract as a user who is not root (${obstacle})`, () => {})
