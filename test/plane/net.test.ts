import { contract } from './contract/contract.ts'

contract('net', { accepting: 'resets' })
