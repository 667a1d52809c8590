import { contract } from './contract.ts'
import { bytesAndClose, oneWaits, oneWarm } from './warm.ts'

contract('splice', { accepting: 'pauses', variant: oneWarm, only: bytesAndClose, ready: oneWaits })
