import { halfCloseContract } from '../plane/contract/half-close.ts'

halfCloseContract('splice', { accepting: 'pauses', variant: { pipesOnLoopback: true } })
