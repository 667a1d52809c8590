import { urgentContract } from '../plane/contract/urgent.ts'

urgentContract('splice', { accepting: 'pauses', variant: { pipesOnLoopback: true } })
