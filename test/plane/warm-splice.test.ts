import { warmContract } from './warm.ts'

warmContract('splice')
