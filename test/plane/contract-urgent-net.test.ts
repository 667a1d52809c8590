import { urgentContract } from './contract/urgent.ts'

urgentContract('net', { accepting: 'resets' })
