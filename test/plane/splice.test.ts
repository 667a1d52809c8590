import { contract } from './contract/contract.ts'

contract('splice', { accepting: 'pauses' })
