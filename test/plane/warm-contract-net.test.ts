import { contract } from './contract.ts'
import { bytesAndClose, oneWaits, oneWarm } from './warm.ts'

contract('net', { accepting: 'resets', variant: oneWarm, only: bytesAndClose, ready: oneWaits })
