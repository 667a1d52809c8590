import { stoppedContract } from './contract/stopped.ts'

stoppedContract('net')
