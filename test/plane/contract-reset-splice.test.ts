import { resetContract } from './contract/reset.ts'

resetContract('splice', { accepting: 'pauses' })
