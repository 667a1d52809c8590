import { halfCloseContract } from './contract/half-close.ts'

halfCloseContract('splice', { accepting: 'pauses' })
