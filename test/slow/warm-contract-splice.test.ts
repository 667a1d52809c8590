import { contract } from '../plane/contract/contract.ts'
import { bytesAndClose, oneWaits, oneWarm } from '../plane/warm.ts'

contract('splice', { accepting: 'pauses', variant: oneWarm, only: bytesAndClose, ready: oneWaits })
