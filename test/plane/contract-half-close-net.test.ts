import { halfCloseContract } from './contract/half-close.ts'

halfCloseContract('net', { accepting: 'resets' })
