import { contract } from './contract.ts'

contract('splice', { accepting: 'pauses' })
