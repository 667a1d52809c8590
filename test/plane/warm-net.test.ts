import { warmContract } from './warm.ts'

warmContract('net')
