import { resetContract } from '../plane/contract/reset.ts'

resetContract('splice', { accepting: 'pauses', variant: { pipesOnLoopback: true } })
