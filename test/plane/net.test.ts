import { contract } from './contract.ts'

contract('net', { accepting: 'resets' })
