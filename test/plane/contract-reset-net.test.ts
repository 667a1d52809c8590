import { resetContract } from './contract/reset.ts'

resetContract('net', { accepting: 'resets' })
