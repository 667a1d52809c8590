import { urgentContract } from './contract/urgent.ts'

urgentContract('splice', { accepting: 'pauses' })
